{{/* Never changes within a release, because selectors must not. Takes {root, component}. */}}
{{- define "orfeon.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Of pods: without versions, so that a new chart alone restarts none. Takes {root, component}. */}}
{{- define "orfeon.podLabels" -}}
{{ include "orfeon.selector" . }}
app.kubernetes.io/part-of: orfeon
{{- end -}}

{{/* Of everything else. Takes {root, component}. */}}
{{- define "orfeon.labels" -}}
{{ include "orfeon.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Takes {root, image}. */}}
{{- define "orfeon.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if .image.digest -}}
{{ $name }}@{{ .image.digest }}
{{- else -}}
{{ $name }}:{{ .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "orfeon.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "orfeon.fullname" .) -}}
{{- end -}}

{{/* The account of a component's pods: training makes Jobs, nobody else needs rights. Takes {root, component}. */}}
{{- define "orfeon.accountOf" -}}
{{- if eq .component "training" -}}
{{- .root.Values.serviceAccount.training | default (printf "%s-training" (include "orfeon.fullname" .root)) -}}
{{- else -}}
{{- include "orfeon.serviceAccountName" .root -}}
{{- end -}}
{{- end -}}

{{/* The capabilities that are on, each over its defaults and with what gpu.profile says, as YAML.
     Kept beside the values: twenty places ask, and to make it takes as long as all the rest. */}}
{{- define "orfeon.capabilities" -}}
{{- if not (hasKey .Values "__capabilities") -}}
{{- $_ := set .Values "__capabilities" (include "orfeon.mergedCapabilities" .) -}}
{{- end -}}
{{- .Values.__capabilities -}}
{{- end -}}

{{- define "orfeon.mergedCapabilities" -}}
{{- $all := dict -}}
{{- range $name, $own := .Values.capabilities -}}
{{- $merged := mergeOverwrite (deepCopy $.Values.capabilityDefaults) (deepCopy $own) -}}
{{- $there := index $.Values.triton.capabilities $name | default dict -}}
{{- if and $.Values.triton.enabled $there.enabled (not $merged.engine) -}}
{{- $_ := set $merged "engine" "triton" -}}
{{- with $there.slots }}{{- $_ := set $merged "slots" . -}}{{- end -}}
{{- end -}}
{{- if $merged.enabled -}}
{{- $pod := include "orfeon.withGpu" (dict "root" $ "pod" $merged) | fromYaml -}}
{{- $_ := set $pod "image" (include "orfeon.variant" (dict "root" $ "pod" $pod) | fromYaml) -}}
{{- $_ := set $all $name $pod -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}
