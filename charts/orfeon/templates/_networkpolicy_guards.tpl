{{/* Policies that would cut what the values ask for. Takes the root. */}}
{{- define "orfeon.guards.networkPolicy" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $known := omit .Values "networkPolicy" | merge (dict "networkPolicy" (omit $policy "extra" | merge (dict "extra" dict))) -}}
{{- $components := include "orfeon.components" (dict "Values" $known "Release" .Release "Chart" .Chart) | fromYamlArray -}}
{{- range $name, $_ := $policy.extra -}}
{{- if not (has $name $components) -}}
{{- fail (printf "networkPolicy.extra.%s is no part of this release: take it out, or name one of %s." $name (join ", " $components)) -}}
{{- end -}}
{{- end -}}
{{- if $policy.enabled -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- $url := printf "ORFEON_%s_TRITON_URL" (upper $name) -}}
{{- if and (hasKey $capability.env $url) (not (index $policy.extra $name | default dict).egress) -}}
{{- fail (printf "capabilities.%s.env.%s names a server outside of the release, which networkPolicy keeps it from: allow it by networkPolicy.extra.%s.egress." $name $url $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
