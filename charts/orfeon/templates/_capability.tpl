{{/* Environment of a capability's container. Takes {root, name, prefix, capability}. */}}
{{- define "orfeon.capabilityEnv" -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- {name: ORFEON_LOG_LEVEL, value: {{ .root.Values.logLevel }}}
- {name: {{ .prefix }}_ADDRESS, value: "0.0.0.0:50051"}
- {name: {{ .prefix }}_METRICS_PORT, value: "9090"}
{{- if and .capability.loadsModels (not (hasKey .capability.env (print .prefix "_DEVICE"))) }}
- {name: {{ .prefix }}_DEVICE, value: {{ ternary "auto" "cpu" .capability.gpu.enabled }}}
{{- end }}
{{- if .capability.loadsModels }}
{{- include "orfeon.weightsEnv" .root }}
{{- end }}
{{- with .capability.engine }}
- {name: {{ $.prefix }}_ENGINE, value: {{ . | quote }}}
{{- end }}
- {name: {{ .prefix }}_SLOTS, value: {{ .capability.slots | quote }}}
- {name: {{ .prefix }}_MAX_QUEUED, value: {{ .capability.maxQueued | quote }}}
- {name: {{ .prefix }}_DRAIN_SECONDS, value: {{ .capability.drainSeconds | quote }}}
{{- $on := include "orfeon.capabilities" .root | fromYaml }}
{{- range .capability.upstreams }}
{{- if hasKey $on . }}
- name: {{ $.prefix }}_UPSTREAMS__{{ upper . }}
  value: {{ include "orfeon.capabilityAddress" (dict "root" $.root "name" .) }}
{{- end }}
{{- end }}
{{- if and (eq .capability.engine "triton") .root.Values.triton.enabled }}
- name: {{ .prefix }}_TRITON_URL
  value: {{ include "orfeon.fullname" .root }}-triton.{{ include "orfeon.namespaceDomain" .root }}:8001
{{- with (index .root.Values.triton.capabilities .name | default dict).memory }}
- {name: {{ $.prefix }}_TRITON_MEMORY, value: {{ int64 . | quote }}}
{{- end }}
{{- end }}
{{- if and (include "orfeon.arbiter" .root | fromYaml).enabled .capability.gpu.enabled }}
- name: ORFEON_ARBITER
  value: {{ include "orfeon.fullname" .root }}-arbiter.{{ include "orfeon.namespaceDomain" .root }}:50051
{{- end }}
{{- if (.capability.resources.limits | default dict).cpu }}
# A process sees all cores of the node, so it is told how many are its own.
- {name: OMP_NUM_THREADS, value: {{ include "orfeon.threads" .capability | quote }}}
- {name: {{ .prefix }}_THREADS, value: {{ include "orfeon.threads" .capability | quote }}}
{{- end }}
{{- if eq .name "training" }}
{{- include "orfeon.trainingEnv" .root }}
{{- end }}
{{- include "orfeon.tracingEnv" .root }}
{{- include "orfeon.extraEnv" .capability }}
{{- end -}}

{{/* Where a capability is called. Takes {root, name}. */}}
{{- define "orfeon.capabilityAddress" -}}
dns:///{{ include "orfeon.fullname" .root }}-{{ .name }}.{{ include "orfeon.namespaceDomain" .root }}:50051
{{- end -}}

{{/* Readiness asks whether the default models are in memory. Liveness asks another service, which
     answers from the start: a busy or loading container must not be killed. */}}
{{- define "orfeon.capabilityProbes" -}}
startupProbe:
  grpc: {port: 50051, service: {{ .service }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (add .startupSeconds 4) 5 }}
readinessProbe:
  grpc: {port: 50051, service: {{ .service }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  grpc: {port: 50051, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}
