{{/* Addresses with a password in them, which the schema cannot tell by their names. Takes the root. */}}
{{- define "orfeon.guards.passwords" -}}
{{- $texts := dict "models.hub.endpoint" .Values.models.hub.endpoint "autoscaling.prometheusUrl" .Values.autoscaling.prometheusUrl "tracing.endpoint" .Values.tracing.endpoint "models.definitions" (toJson .Values.models.definitions) -}}
{{- range $path, $pod := set (include "orfeon.componentValues" . | fromYaml) "training.kubernetes" .Values.training.kubernetes -}}
{{- range $name, $text := $pod.env -}}{{- $_ := set $texts (printf "%s.env.%s" $path $name) $text -}}{{- end -}}
{{- end -}}
{{- range $path, $text := $texts -}}
{{- if regexMatch "://[^/\"\\s]*@" $text -}}
{{- fail (printf "%s has a name or a password in an address, for everybody who may see the release: leave it out, or name a secret where there is a secretEnv." $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
