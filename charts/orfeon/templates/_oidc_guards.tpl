{{/* What cannot work of the provider whose tokens are taken. Takes the root. */}}
{{- define "orfeon.guards.oidc" -}}
{{- with .Values.gateway.oidc -}}
{{- if and (not .issuer) (or .audience .jwksUrl) -}}
{{- fail "gateway.oidc.audience and gateway.oidc.jwksUrl need gateway.oidc.issuer: name the provider, or empty them." -}}
{{- end -}}
{{- if and .ca.configMapName .ca.secretName -}}
{{- fail "gateway.oidc.ca.configMapName and gateway.oidc.ca.secretName both say where the authorities are: empty one of them." -}}
{{- end -}}
{{- if and (not .issuer) (include "orfeon.oidcCaFile" $) -}}
{{- fail "gateway.oidc.ca has the authorities of the provider gateway.oidc.issuer, which is empty: name the provider, or empty gateway.oidc.ca." -}}
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
