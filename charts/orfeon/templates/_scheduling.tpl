{{/* Where the pod may run. Takes the values of the component. */}}
{{- define "orfeon.scheduling" -}}
{{- $gpu := .gpu | default dict -}}
{{- if $gpu.runtimeClassName }}
runtimeClassName: {{ $gpu.runtimeClassName | quote }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and $gpu.enabled $gpu.resourceClaimTemplate }}
resourceClaims:
  - {name: gpu, resourceClaimTemplateName: {{ $gpu.resourceClaimTemplate | quote }}}
{{- end }}
{{- end -}}

{{/* Spreads the pods of a component. Takes {root, component, pod}. */}}
{{- define "orfeon.topologySpread" -}}
{{- with .pod.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  - maxSkew: {{ .maxSkew }}
    topologyKey: {{ .topologyKey | quote }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "orfeon.selector" $ | nindent 8 }}
    # Pods of an older version are about to go.
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{/* Resources of a container, with its GPU. Takes the values of the component. */}}
{{- define "orfeon.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if and .gpu.enabled .gpu.resourceClaimTemplate -}}
{{- $_ := set $resources "claims" (list (dict "name" "gpu")) -}}
{{- else if .gpu.enabled -}}
{{- $limits := $resources.limits | default dict -}}
{{- $_ := set $resources "limits" (set $limits .gpu.resource (int .gpu.count)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
