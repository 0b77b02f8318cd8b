{{/* The values of what runs as long as the release does, by where they are in values.yaml, as YAML. Takes the root. */}}
{{- define "orfeon.componentValues" -}}
{{- $all := dict "gateway" .Values.gateway -}}
{{- if .Values.triton.enabled -}}{{- $_ := set $all "triton" .Values.triton -}}{{- end -}}
{{- if (include "orfeon.arbiter" . | fromYaml).enabled -}}{{- $_ := set $all "arbiter" .Values.arbiter -}}{{- end -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- $_ := set $all (printf "capabilities.%s" $name) $capability -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}
