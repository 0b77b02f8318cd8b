{{/* What the gateway is told of the provider whose access tokens it takes. Takes the root. */}}
{{- define "orfeon.oidcEnv" -}}
{{- with .Values.gateway.oidc -}}
{{- if .issuer }}
- {name: ORFEON_GATEWAY_OIDC_ISSUER, value: {{ .issuer | quote }}}
- {name: ORFEON_GATEWAY_OIDC_AUDIENCE, value: {{ .audience | quote }}}
- {name: ORFEON_GATEWAY_OIDC_JWKS_URL, value: {{ .jwksUrl | quote }}}
- {name: ORFEON_GATEWAY_OIDC_ALGORITHMS, value: {{ .algorithms | toJson | quote }}}
- {name: ORFEON_GATEWAY_OIDC_LEEWAY_SECONDS, value: {{ .leewaySeconds | quote }}}
- {name: ORFEON_GATEWAY_OIDC_SCOPES_CLAIM, value: {{ .scopesClaim | quote }}}
- {name: ORFEON_GATEWAY_OIDC_SCOPES, value: {{ .scopes | toJson | quote }}}
- {name: ORFEON_GATEWAY_OIDC_DEFAULT_SCOPES, value: {{ .defaultScopes | toJson | quote }}}
- {name: ORFEON_GATEWAY_OIDC_PRIORITY_FLOOR, value: {{ .priorityFloor | quote }}}
- {name: ORFEON_GATEWAY_OIDC_PRIORITY_CLAIM, value: {{ .priorityClaim | quote }}}
{{- if .requestsPerMinute }}
- {name: ORFEON_GATEWAY_OIDC_REQUESTS_PER_MINUTE, value: {{ int64 .requestsPerMinute | quote }}}
{{- end }}
{{- if .tokensPerMinute }}
- {name: ORFEON_GATEWAY_OIDC_TOKENS_PER_MINUTE, value: {{ int64 .tokensPerMinute | quote }}}
{{- end }}
- {name: ORFEON_GATEWAY_OIDC_REFRESH_SECONDS, value: {{ .refreshSeconds | quote }}}
- {name: ORFEON_GATEWAY_OIDC_STALE_SECONDS, value: {{ .staleSeconds | quote }}}
- {name: ORFEON_GATEWAY_OIDC_ALLOW_HTTP, value: {{ .allowHttp | quote }}}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What cannot work of them. Takes the root. */}}
{{- define "orfeon.guards.oidc" -}}
{{- with .Values.gateway.oidc -}}
{{- if and (not .issuer) (or .audience .jwksUrl) -}}
{{- fail "gateway.oidc.audience and gateway.oidc.jwksUrl need gateway.oidc.issuer: name the provider, or empty them." -}}
{{- end -}}
{{- if .issuer -}}
{{- if not .audience -}}
{{- fail "gateway.oidc.issuer needs gateway.oidc.audience: without, a token that the provider made for any other program would be good here." -}}
{{- end -}}
{{- if lt (int .staleSeconds) (int .refreshSeconds) -}}
{{- fail "gateway.oidc.staleSeconds must not be less than gateway.oidc.refreshSeconds." -}}
{{- end -}}
{{- if include "orfeon.isOpen" $ -}}
{{- fail "gateway.oidc.issuer means nothing where gateway.env.ORFEON_GATEWAY_REQUIRE_KEYS is false and everybody may do everything: empty the one, or take out the other." -}}
{{- end -}}
{{- $policy := $.Values.networkPolicy -}}
{{- range $name := list "issuer" "jwksUrl" -}}
{{- with index $.Values.gateway.oidc $name -}}
{{- if and (hasPrefix "http:" .) (not $.Values.gateway.oidc.allowHttp) -}}
{{- fail (printf "gateway.oidc.%s is asked without TLS: anybody on the way could name keys of their own. Use https://, or set gateway.oidc.allowHttp." $name) -}}
{{- end -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" (get (urlParse .) "host")) | default (ternary "443" "80" (hasPrefix "https:" .)) -}}
{{- if and $policy.enabled (not (has $port (include "orfeon.portNames" $policy.oidc.ports | fromYamlArray))) -}}
{{- fail (printf "gateway.oidc.%s is at port %s, which networkPolicy.oidc.ports does not let the gateway reach: add it there." $name $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
