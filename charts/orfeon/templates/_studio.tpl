{{/* Environment of Studio. Takes the root. */}}
{{- define "orfeon.studioEnv" -}}
{{- $studio := .Values.studio -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- {name: ORFEON_LOG_LEVEL, value: {{ .Values.logLevel }}}
- {name: ORFEON_STUDIO_PORT, value: "7860"}
- {name: ORFEON_STUDIO_METRICS_PORT, value: "9090"}
- name: ORFEON_STUDIO_GATEWAY_URL
  value: http://{{ include "orfeon.fullname" . }}-gateway.{{ include "orfeon.namespaceDomain" . }}:{{ .Values.gateway.service.port }}
- {name: ORFEON_STUDIO_SESSION_HOURS, value: {{ $studio.sessionHours | quote }}}
- {name: ORFEON_STUDIO_MAX_UPLOAD_BYTES, value: {{ int64 $studio.maxUploadBytes | quote }}}
- {name: ORFEON_STUDIO_DRAIN_SECONDS, value: {{ $studio.drainSeconds | quote }}}
{{- /* The edge ends TLS; studio.env may say otherwise, as the gateway's may. */}}
{{- $url := include "orfeon.edge.url" . }}
{{- if and $url (not (hasKey $studio.env "ORFEON_STUDIO_PUBLIC_URL")) }}
- {name: ORFEON_STUDIO_PUBLIC_URL, value: {{ $url | quote }}}
{{- end }}
{{- with $studio.oidc }}
{{- if .clientId }}
- {name: ORFEON_STUDIO_OIDC_ISSUER, value: {{ $.Values.gateway.oidc.issuer | quote }}}
- {name: ORFEON_STUDIO_OIDC_CLIENT_ID, value: {{ .clientId | quote }}}
- {name: ORFEON_STUDIO_OIDC_SCOPES, value: {{ .scopes | quote }}}
- {name: ORFEON_STUDIO_OIDC_AUDIENCE, value: {{ .audience | quote }}}
- {name: ORFEON_STUDIO_OIDC_NAME, value: {{ .name | quote }}}
{{- with include "orfeon.oidcCaFile" $ }}
- {name: ORFEON_STUDIO_OIDC_CA_FILE, value: {{ . }}}
{{- end }}
{{- with .clientSecret }}
{{- if .secretName }}
- name: ORFEON_STUDIO_OIDC_CLIENT_SECRET
  valueFrom:
    secretKeyRef: {name: {{ .secretName | quote }}, key: {{ .secretKey | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- include "orfeon.extraEnv" $studio }}
{{- end -}}

{{/* /readyz is not asked: while the gateway is away Studio says so, which is better than an error of the edge. */}}
{{- define "orfeon.studioProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}

{{/* Values of Studio that cannot work. Takes the root. */}}
{{- define "orfeon.guards.studio" -}}
{{- $edge := .Values.edge -}}
{{- if and $edge.studio.rateLimit.average (lt (int $edge.studio.rateLimit.burst) 1) -}}
{{- fail "edge.studio.rateLimit.burst must be at least 1 where edge.studio.rateLimit.average limits: with 0 nothing would get through." -}}
{{- end -}}
{{- with .Values.studio -}}
{{- if and .oidc.clientId (not $.Values.gateway.oidc.issuer) -}}
{{- fail "studio.oidc.clientId needs gateway.oidc.issuer, the provider whose tokens the gateway takes: name it, or empty studio.oidc.clientId." -}}
{{- end -}}
{{- if and .oidc.clientSecret.secretName (not .oidc.clientId) -}}
{{- fail "studio.oidc.clientSecret.secretName is the secret of studio.oidc.clientId, which is empty: name the client, or empty it." -}}
{{- end -}}
{{- if gt (float64 .maxUploadBytes) (include "orfeon.amount" .scratch.sizeLimit | float64) -}}
{{- fail (printf "studio.maxUploadBytes is more than studio.scratch.sizeLimit (%v) holds, and the pod would be evicted: lower the first, or raise the second." .scratch.sizeLimit) -}}
{{- end -}}
{{- if and .enabled (gt (int .replicas) 1) (eq $edge.provider "ingress") (not $edge.ingress.studioAnnotations) -}}
{{- fail "studio.replicas is more than 1, and sessions are kept in memory: have the controller keep each browser at its pod by edge.ingress.studioAnnotations, or leave it at 1." -}}
{{- end -}}
{{- end -}}
{{- end -}}
