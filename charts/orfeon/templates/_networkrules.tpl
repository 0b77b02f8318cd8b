{{/* Rules of a component's policy, as YAML: {ingress, egress}. Takes {root, component}. */}}
{{- define "orfeon.networkRules" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $extra := index $policy.extra .component | default dict -}}
{{- $ingress := $extra.ingress | default list -}}
{{- $egress := $extra.egress | default list -}}
{{- $callers := dict -}}
{{- $called := dict -}}
{{- range include "orfeon.calls" .root | fromYamlArray -}}
{{- $port := toString .port -}}
{{- if eq .to $.component -}}{{- $_ := set $callers $port (append (index $callers $port | default list) .from) -}}{{- end -}}
{{- if eq .from $.component -}}{{- $_ := set $called $port (append (index $called $port | default list) .to) -}}{{- end -}}
{{- end -}}
{{- range $port, $names := $callers -}}
{{- $from := list (include "orfeon.peer" (dict "root" $.root "components" $names) | fromYaml) -}}
{{- $ingress = append $ingress (dict "from" $from "ports" (include "orfeon.ports" (list $port) | fromYamlArray)) -}}
{{- end -}}
{{- range $port, $names := $called -}}
{{- $to := list (include "orfeon.peer" (dict "root" $.root "components" $names) | fromYaml) -}}
{{- $egress = append $egress (dict "to" $to "ports" (include "orfeon.ports" (list $port) | fromYamlArray)) -}}
{{- end -}}
{{- range include "orfeon.outsideCalls" .root | fromYamlArray -}}
{{- if eq .from $.component -}}
{{- $egress = append $egress (include "orfeon.outsideRule" (index $policy .to) | fromYaml) -}}
{{- end -}}
{{- end -}}
{{- with index (include "orfeon.metricsPorts" .root | fromYaml) .component -}}
{{- $ingress = append $ingress (dict "from" $policy.monitoring "ports" (include "orfeon.ports" (list .) | fromYamlArray)) -}}
{{- end -}}
{{- if eq .component "gateway" -}}
{{- $clients := ternary $policy.clients list (eq .root.Values.gateway.service.type "ClusterIP") -}}
{{- $ingress = append $ingress (dict "from" $clients "ports" (include "orfeon.ports" (list 8000 50051) | fromYamlArray)) -}}
{{- end -}}
{{- if eq .component "studio" -}}
{{- $ingress = append $ingress (dict "from" $policy.clients "ports" (include "orfeon.ports" (list 7860) | fromYamlArray)) -}}
{{- end -}}
{{- toYaml (dict "ingress" $ingress "egress" $egress) -}}
{{- end -}}

{{/* Pods of the release by their components. Takes {root, components}. */}}
{{- define "orfeon.peer" -}}
podSelector:
  matchLabels:
    {{- include "orfeon.selector" (dict "root" .root "component" "") | nindent 4 }}
  matchExpressions:
    - {key: app.kubernetes.io/component, operator: In, values: {{ uniq .components | sortAlpha | toJson }}}
{{- end -}}

{{/* Takes a list of numbers. */}}
{{- define "orfeon.ports" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end -}}

{{/* Takes networkPolicy.dns. */}}
{{- define "orfeon.dnsRule" -}}
ports:
  {{- range .ports }}
  - {port: {{ . }}, protocol: UDP}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- with .to }}
to:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes {to, ports} of networkPolicy. */}}
{{- define "orfeon.outsideRule" -}}
{{- with .to }}
to:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- include "orfeon.ports" .ports | nindent 2 }}
{{- end -}}
