{{/* Keys that there were, and what they are now: an upgrade shall not lose a setting in silence. The schema lets them
     through as deprecated. Takes the root. */}}
{{- define "orfeon.guards.removed" -}}
{{- $moved := dict
  "ingressRoute" "edge"
  "triton.networkPolicy" "networkPolicy"
  "gateway.env.ORFEON_GATEWAY_RATE_LIMIT_STORAGE" "redis.external.secretName"
  "gateway.secretEnv.ORFEON_GATEWAY_RATE_LIMIT_STORAGE" "redis.external.secretName"
  "gateway.secretEnv.DATABASE_URL" "gateway.database.secretName"
  "gateway.secretEnv.ORFEON_GATEWAY_DATABASE_URL" "gateway.database.secretName" }}
{{- range $old, $new := $moved -}}
{{- $found := $.Values -}}
{{- range splitList "." $old -}}
{{- $found = index ($found | default dict) . -}}
{{- end -}}
{{- if not (kindIs "invalid" $found) -}}
{{- fail (printf "%s is %s now: see the chart's README for its keys, and take the old one out." $old $new) -}}
{{- end -}}
{{- end -}}
{{- end -}}
