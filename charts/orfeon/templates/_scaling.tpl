{{/* Whether an autoscaler owns the number of pods: "true" or nothing. Takes the values of the component. */}}
{{- define "orfeon.isScaled" -}}
{{- if ne (.autoscaling | default (dict "by" "none")).by "none" -}}true{{- end -}}
{{- end -}}

{{/* The most pods that there are of a component. Takes its values. */}}
{{- define "orfeon.maxReplicas" -}}
{{- if include "orfeon.isScaled" . -}}{{- .autoscaling.maxReplicas -}}{{- else -}}{{- .replicas -}}{{- end -}}
{{- end -}}

{{/* The number of pods, unless an autoscaler owns it: an upgrade would set it back. Takes the component's values. */}}
{{- define "orfeon.replicas" -}}
{{- if not (include "orfeon.isScaled" .) }}
replicas: {{ int .replicas }}
{{- end }}
{{- end -}}

{{/* What is scaled, as YAML: by component its `autoscaling`, the metric and how much of it each pod is to have.
     Takes the root. */}}
{{- define "orfeon.scaled" -}}
{{- $all := dict -}}
{{- $gateway := .Values.gateway -}}
{{- if include "orfeon.isScaled" $gateway -}}
{{- $target := $gateway.autoscaling.requestsPerReplica -}}
{{- $_ := set $all "gateway" (dict "autoscaling" $gateway.autoscaling "metric" "orfeon_http_requests_in_progress" "target" $target) -}}
{{- end -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- if include "orfeon.isScaled" $capability -}}
{{- $target := $capability.autoscaling.requestsPerReplica | default $capability.slots -}}
{{- $_ := set $all $name (dict "autoscaling" $capability.autoscaling "metric" "orfeon_pending_requests" "target" $target) -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* How fast an autoscaler goes. Takes the root. */}}
{{- define "orfeon.scalingBehavior" -}}
# A pod loads its models before it helps, so that more are not started for the same requests at once.
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Percent, value: 100, periodSeconds: 60}
    - {type: Pods, value: 2, periodSeconds: 60}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownSeconds }}
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}
