{{/* Arguments of Triton. Takes its values. */}}
{{- define "orfeon.tritonArgs" -}}
- --model-repository=/models
- --model-control-mode=explicit
- --disable-auto-complete-config
- --exit-on-error=true
# Capabilities load models while others are asked: it must not leave its Service meanwhile.
- --strict-readiness=false
- --exit-timeout-secs={{ .drainSeconds }}
- --rate-limit=execution_count
- --rate-limit-resource=memory:{{ .memoryUnits }}
{{- range .models }}
- --load-model={{ . }}
{{- end }}
{{- end -}}

{{/* Environment of Triton, which its Python models read. Takes the root. */}}
{{- define "orfeon.tritonEnv" -}}
{{- $triton := include "orfeon.triton" . | fromYaml -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- {name: ORFEON_LOG_LEVEL, value: {{ .Values.logLevel }}}
{{- include "orfeon.weightsEnv" . }}
{{- range include "orfeon.onTriton" . | fromYamlArray }}
{{- $device := printf "ORFEON_%s_DEVICE" (upper .) }}
{{- if not (hasKey $triton.env $device) }}
- {name: {{ $device }}, value: {{ ternary "auto" "cpu" $triton.gpu.enabled }}}
{{- end }}
{{- end }}
{{- if ($triton.resources.limits | default dict).cpu }}
{{- $threads := include "orfeon.threads" (dict "resources" $triton.resources "slots" 1 "slotsShareThreads" true) }}
# A process sees all cores of the node, so it is told how many are its own.
- {name: OMP_NUM_THREADS, value: {{ $threads | quote }}}
{{- range include "orfeon.onTriton" . | fromYamlArray }}
- {name: ORFEON_{{ upper . }}_THREADS, value: {{ $threads | quote }}}
{{- end }}
{{- end }}
{{- include "orfeon.tracingEnv" . }}
{{- include "orfeon.extraEnv" $triton }}
{{- end -}}

{{/* The capabilities that compute on the chart's Triton, as YAML. Takes the root. */}}
{{- define "orfeon.onTriton" -}}
{{- $names := list -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- if and (eq $capability.engine "triton") $.Values.triton.enabled -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}

{{/* HTTP is for the kubelet alone: the Service has no such port. */}}
{{- define "orfeon.tritonProbes" -}}
startupProbe:
  httpGet: {path: /v2/health/ready, port: http}
  periodSeconds: 5
  failureThreshold: {{ div (add .startupSeconds 4) 5 }}
readinessProbe:
  httpGet: {path: /v2/health/ready, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /v2/health/live, port: http}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}
