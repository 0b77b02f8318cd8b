{{/* Times that do not go together. Takes the root. */}}
{{- define "orfeon.guards.lifecycle" -}}
{{- with .Values.studio -}}
{{- if and .enabled (gt (int .drainSeconds) (int $.Values.gateway.drainSeconds)) -}}
{{- fail "studio.drainSeconds is above gateway.drainSeconds: a gateway that stops would leave what Studio still waits for. Raise the second." -}}
{{- end -}}
{{- end -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- $variable := printf "ORFEON_%s_LOAD_TIMEOUT" (upper $name) -}}
{{- $text := index $capability.env $variable | default "600" -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?$" $text) -}}
{{- fail (printf "capabilities.%s.env.%s is %s, which is no number of seconds." $name $variable $text) -}}
{{- end -}}
{{- $loading := float64 $text -}}
{{- if and $capability.loadsModels (lt (float64 $capability.startupSeconds) $loading) -}}
{{- fail (printf "capabilities.%s.startupSeconds is %v, and a model may take %v to load: raise it, or lower env.%s, else the pod is started anew while it loads." $name $capability.startupSeconds $loading $variable) -}}
{{- end -}}
{{- if and (eq $capability.engine "triton") $.Values.triton.enabled (gt (int $capability.drainSeconds) (int $.Values.triton.drainSeconds)) -}}
{{- fail (printf "capabilities.%s.drainSeconds is above triton.drainSeconds: Triton has to stay as long as what it computes for. Raise the second." $name) -}}
{{- end -}}
{{- if gt (int $capability.drainSeconds) (int $.Values.gateway.drainSeconds) -}}
{{- fail (printf "capabilities.%s.drainSeconds is above gateway.drainSeconds: a gateway that stops would leave answers that are still made. Raise the second." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
