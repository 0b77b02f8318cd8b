{{/* The values of what runs as long as the release does, by where they are in values.yaml, as YAML. Takes the root. */}}
{{- define "orfeon.componentValues" -}}
{{- $all := dict "gateway" .Values.gateway -}}
{{- if .Values.studio.enabled -}}{{- $_ := set $all "studio" .Values.studio -}}{{- end -}}
{{- if .Values.triton.enabled -}}{{- $_ := set $all "triton" .Values.triton -}}{{- end -}}
{{- if (include "orfeon.arbiter" . | fromYaml).enabled -}}{{- $_ := set $all "arbiter" .Values.arbiter -}}{{- end -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- $_ := set $all (printf "capabilities.%s" $name) $capability -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* The port on which each component shows metrics, as YAML; 0 for none. Takes the root. */}}
{{- define "orfeon.metricsPorts" -}}
gateway: 8000
{{- if .Values.studio.enabled }}
studio: 9090
{{- end }}
{{- range $name, $_ := include "orfeon.capabilities" . | fromYaml }}
{{ $name }}: 9090
{{- end }}
{{- if (include "orfeon.arbiter" . | fromYaml).enabled }}
arbiter: 9090
{{- end }}
{{- if .Values.triton.enabled }}
triton: 8002
{{- end }}
{{- end -}}
