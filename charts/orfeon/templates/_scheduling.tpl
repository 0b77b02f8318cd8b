{{/* Where the pod may run. Takes the values of the component. */}}
{{- define "orfeon.scheduling" -}}
{{- $gpu := .gpu | default dict -}}
{{- if and $gpu.enabled $gpu.runtimeClassName }}
runtimeClassName: {{ $gpu.runtimeClassName }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .tolerations $gpu.enabled }}
tolerations:
  {{- with .tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if $gpu.enabled }}
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Resources of a container, with its GPU. Takes the values of the component. */}}
{{- define "orfeon.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpu.enabled -}}
{{- $limits := $resources.limits | default dict -}}
{{- $_ := set $resources "limits" (set $limits .gpu.resource .gpu.count) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
