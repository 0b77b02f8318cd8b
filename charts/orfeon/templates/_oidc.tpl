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
{{- with include "orfeon.oidcCaFile" $ }}
- {name: ORFEON_GATEWAY_OIDC_CA_FILE, value: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The file with the authorities of the provider; empty where there are only public ones. Takes the root. */}}
{{- define "orfeon.oidcCaFile" -}}
{{- with .Values.gateway.oidc.ca -}}
{{- if or .configMapName .secretName -}}/etc/orfeon/oidc/ca.crt{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where a container has it, as an entry of volumeMounts. Takes the root. */}}
{{- define "orfeon.oidcCaMount" -}}
{{- with include "orfeon.oidcCaFile" . }}
- {name: oidc-ca, mountPath: {{ dir . }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* Where it comes from, as an entry of volumes. Takes the root. */}}
{{- define "orfeon.oidcCaVolume" -}}
{{- if include "orfeon.oidcCaFile" . }}
{{- with .Values.gateway.oidc.ca }}
# That key alone: a private one may lie beside it.
- name: oidc-ca
  {{- if .configMapName }}
  configMap:
    name: {{ .configMapName | quote }}
  {{- else }}
  secret:
    secretName: {{ .secretName | quote }}
  {{- end }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}
