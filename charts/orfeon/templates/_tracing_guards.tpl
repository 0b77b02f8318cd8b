{{/* What cannot work of traces. */}}
{{- define "orfeon.guards.tracing" -}}
{{- with .Values.tracing -}}
{{- if and .enabled (not .endpoint) -}}
{{- fail "tracing.enabled needs tracing.endpoint: name a collector that takes OTLP over HTTP, such as http://otel-collector.monitoring:4318." -}}
{{- end -}}
{{- if and .headers.secretName (not .enabled) -}}
{{- fail "tracing.headers.secretName is set, and no traces are sent: set tracing.enabled, or leave the Secret out." -}}
{{- end -}}
{{- if and .enabled $.Values.networkPolicy.enabled -}}
{{- $host := get (urlParse .endpoint) "host" -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $host) | default (ternary "443" "80" (hasPrefix "https:" .endpoint)) -}}
{{- if not (has $port (include "orfeon.portNames" $.Values.networkPolicy.tracing.ports | fromYamlArray)) -}}
{{- fail (printf "tracing.endpoint is at port %s, which networkPolicy.tracing.ports does not let anybody reach: add it there." $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a list of numbers. */}}
{{- define "orfeon.portNames" -}}
{{- range . }}
- {{ int . | quote }}
{{- end }}
{{- end -}}
