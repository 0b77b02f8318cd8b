{{/* Where a process sends its spans, and how many of them. Takes the root. */}}
{{- define "orfeon.tracingEnv" -}}
{{- with .Values.tracing -}}
{{- if .enabled }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .samplingRatio | quote }}}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
# Tells releases apart that send to one collector.
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.namespace={{ $.Release.Name }},k8s.namespace.name={{ include "orfeon.namespace" $ }},k8s.pod.name=$(POD_NAME)
{{- with .headers.secretName }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.tracing.headers.secretKey | quote }}}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Makes Triton's spans part of the traces of who calls it: those that are kept, however many, and next to
     no others. Takes the root. */}}
{{- define "orfeon.tritonTracingArgs" -}}
{{- with .Values.tracing -}}
{{- if .enabled }}
- --trace-config=mode=opentelemetry
- {{ printf "--trace-config=opentelemetry,url=%s/v1/traces" (trimSuffix "/" .endpoint) | quote }}
- --trace-config=opentelemetry,resource=service.name=orfeon-triton
- --trace-config=level=TIMESTAMPS
- --trace-config=rate=1000000000
{{- end }}
{{- end -}}
{{- end -}}
