{{/* Who calls whom within the release, as YAML: {from, to, port} of components, and the container's port.
     Both ends of every policy are made of it. Takes the root. */}}
{{- define "orfeon.calls" -}}
{{- $on := include "orfeon.capabilities" . | fromYaml -}}
{{- $onTriton := include "orfeon.onTriton" . | fromYamlArray -}}
{{- $arbiter := include "orfeon.arbiter" . | fromYaml }}
- {from: test, to: gateway, port: 8000}
{{- if .Values.studio.enabled }}
- {from: studio, to: gateway, port: 8000}
{{- end }}
{{- range $name, $capability := $on }}
- {from: gateway, to: {{ $name }}, port: 50051}
{{- range $capability.upstreams }}
{{- if hasKey $on . }}
- {from: {{ $name }}, to: {{ . }}, port: 50051}
{{- end }}
{{- end }}
{{- if has $name $onTriton }}
- {from: {{ $name }}, to: triton, port: 8001}
{{- end }}
{{- if and $arbiter.enabled $capability.gpu.enabled }}
- {from: {{ $name }}, to: arbiter, port: 50051}
{{- end }}
{{- end }}
{{- range $name, $where := include "orfeon.databaseUsers" . | fromYaml }}
{{- if eq $where "postgresql" }}
- {from: {{ $name }}, to: postgresql, port: 5432}
{{- end }}
{{- end }}
{{- if .Values.redis.bundled }}
- {from: gateway, to: redis, port: 6379}
{{- end }}
{{- end -}}

{{/* What is called outside of the release, as YAML: {from, to}, where `to` is a key of networkPolicy. */}}
{{- define "orfeon.outsideCalls" -}}
{{- range $name, $where := include "orfeon.databaseUsers" . | fromYaml }}
{{- if eq $where "database" }}
- {from: {{ $name }}, to: database}
{{- end }}
{{- end }}
{{ if .Values.redis.external.secretName }}- {from: gateway, to: redis}{{ end }}
{{ if .Values.gateway.oidc.issuer }}- {from: gateway, to: oidc}{{ end }}
{{ if and .Values.studio.enabled .Values.studio.oidc.clientId }}- {from: studio, to: oidc}{{ end }}
{{- if (include "orfeon.capabilities" . | fromYaml).training }}
- {from: training, to: apiServer}
{{- if not .Values.models.offline }}
- {from: trainer, to: weights}
{{- end }}
{{- end }}
{{- if .Values.tracing.enabled }}
{{- range $name, $_ := omit (include "orfeon.metricsPorts" . | fromYaml) "arbiter" "studio" }}
- {from: {{ $name }}, to: tracing}
{{- end }}
{{- end }}
{{- range include "orfeon.fetchers" . | fromYamlArray }}
- {from: {{ . }}, to: weights}
{{- end }}
{{- end -}}

{{/* The components that have a policy, as YAML. Takes the root. */}}
{{- define "orfeon.components" -}}
{{- $names := concat (include "orfeon.metricsPorts" . | fromYaml | keys) (keys .Values.networkPolicy.extra) -}}
{{- range concat (include "orfeon.calls" . | fromYamlArray) (include "orfeon.outsideCalls" . | fromYamlArray) -}}
{{- $names = append $names .from -}}
{{- if .port -}}{{- $names = append $names .to -}}{{- end -}}
{{- end -}}
{{- uniq $names | sortAlpha | toYaml -}}
{{- end -}}
