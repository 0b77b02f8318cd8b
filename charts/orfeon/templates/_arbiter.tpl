{{/* Environment of the arbiter. Takes the root. */}}
{{- define "orfeon.arbiterEnv" -}}
{{- $arbiter := include "orfeon.arbiter" . | fromYaml -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- {name: ORFEON_LOG_LEVEL, value: {{ .Values.logLevel }}}
- {name: ORFEON_ARBITER_ADDRESS, value: "0.0.0.0:50051"}
- {name: ORFEON_ARBITER_METRICS_PORT, value: "9090"}
- {name: ORFEON_ARBITER_STATE, value: /var/lib/orfeon/arbiter}
- {name: ORFEON_ARBITER_BUDGETS, value: {{ toJson $arbiter.budgets | quote }}}
- {name: ORFEON_ARBITER_LEASE_TTL, value: {{ $arbiter.leaseSeconds | quote }}}
- {name: ORFEON_ARBITER_SETTLE_SECONDS, value: {{ $arbiter.settleSeconds | quote }}}
{{- if $arbiter.gpus.visible }}
# NVIDIA's runtime shows what is named here, whether or not the pod was given it.
- {name: NVIDIA_VISIBLE_DEVICES, value: all}
- {name: NVIDIA_DRIVER_CAPABILITIES, value: utility}
{{- end }}
{{- include "orfeon.extraEnv" $arbiter }}
{{- end -}}

{{/* It is ready at once: whoever knew its predecessor must be able to come back. */}}
{{- define "orfeon.arbiterProbes" -}}
startupProbe:
  grpc: {port: 50051, service: orfeon.api.arbiter.v1.ArbiterService}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 30
readinessProbe:
  grpc: {port: 50051, service: orfeon.api.arbiter.v1.ArbiterService}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  grpc: {port: 50051, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}
