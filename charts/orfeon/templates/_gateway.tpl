{{/* Environment of the gateway. Takes the root. */}}
{{- define "orfeon.gatewayEnv" -}}
{{- $root := . -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- {name: ORFEON_LOG_LEVEL, value: {{ .Values.logLevel }}}
- {name: ORFEON_GATEWAY_HOST, value: "0.0.0.0"}
- {name: ORFEON_GATEWAY_PORT, value: "8000"}
- {name: ORFEON_GATEWAY_GRPC_PORT, value: "50051"}
{{- if .Values.gateway.grpc.tlsSecretName }}
- {name: ORFEON_GATEWAY_GRPC_TLS_CERTIFICATE, value: /etc/orfeon/grpc/tls.crt}
- {name: ORFEON_GATEWAY_GRPC_TLS_KEY, value: /etc/orfeon/grpc/tls.key}
{{- end }}
- {name: ORFEON_GATEWAY_DRAIN_SECONDS, value: {{ .Values.gateway.drainSeconds | quote }}}
{{- range $name, $_ := include "orfeon.capabilities" . | fromYaml }}
- name: ORFEON_GATEWAY_UPSTREAMS__{{ upper $name }}
  value: {{ include "orfeon.capabilityAddress" (dict "root" $root "name" $name) }}
{{- end }}
{{- /* The edge ends TLS, so the gateway cannot know how it is called; gateway.env may say otherwise. */}}
{{- $url := include "orfeon.edge.url" . }}
{{- if and $url (not (hasKey .Values.gateway.env "ORFEON_GATEWAY_PUBLIC_URL")) }}
- {name: ORFEON_GATEWAY_PUBLIC_URL, value: {{ $url | quote }}}
{{- end }}
{{- include "orfeon.databaseEnv" . }}
{{- if .Values.gateway.database.secretName }}
# What migrations.yaml has done: a gateway needs no right to change tables.
- {name: ORFEON_GATEWAY_MIGRATE, value: check}
{{- end }}
{{- include "orfeon.rateLimitEnv" . }}
{{- include "orfeon.oidcEnv" . }}
{{- include "orfeon.tracingEnv" . }}
{{- include "orfeon.extraEnv" .Values.gateway }}
{{- end -}}

{{/* /readyz is not asked: it fails as long as one capability does, and a gateway that left its
     Service then would take those that are well along. It is for people and for `helm test`. */}}
{{- define "orfeon.gatewayProbes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 30
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
