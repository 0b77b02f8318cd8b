{{/* The way in from outside. What identifies a caller to services behind is set by nobody outside: the
     edge drops it, whichever provider it is. */}}

{{- define "orfeon.edge.labels" -}}
{{- include "orfeon.labels" (dict "root" . "component" "gateway") -}}
{{- end -}}

{{- define "orfeon.edge.name" -}}
{{- include "orfeon.fullname" . }}-gateway
{{- end -}}

{{/* "https://host", or nothing where there is no way in. */}}
{{- define "orfeon.edge.url" -}}
{{- if ne .Values.edge.provider "none" -}}
{{- ternary "http" "https" (eq .Values.edge.tls.mode "none") }}://{{ .Values.edge.host -}}
{{- end -}}
{{- end -}}

{{- define "orfeon.edge.grpcHost" -}}
{{- .Values.edge.grpcHost | default .Values.edge.host -}}
{{- end -}}

{{/* The names that certificates are for, as YAML. */}}
{{- define "orfeon.edge.hosts" -}}
{{- $hosts := list .Values.edge.host -}}
{{- if .Values.edge.grpcPaths -}}{{- $hosts = append $hosts (include "orfeon.edge.grpcHost" .) -}}{{- end -}}
{{- toYaml (uniq $hosts) -}}
{{- end -}}

{{/* The secret that holds the certificate; nothing where Traefik gets it by itself. */}}
{{- define "orfeon.edge.secretName" -}}
{{- with .Values.edge.tls -}}
{{- if eq .mode "certManager" -}}
{{- .secretName | default (printf "%s-edge-tls" (include "orfeon.fullname" $)) -}}
{{- else if eq .mode "secret" -}}
{{- .secretName -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The value of Strict-Transport-Security, or nothing. */}}
{{- define "orfeon.edge.hsts" -}}
{{- with .Values.edge.hsts -}}
{{- if .seconds -}}
max-age={{ int .seconds }}{{ if .includeSubdomains }}; includeSubDomains{{ end }}{{ if .preload }}; preload{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Headers of every answer, as YAML: an API shows no page, is in no frame, and is what it says. */}}
{{- define "orfeon.edge.securityHeaders" -}}
Content-Security-Policy: default-src 'none'; frame-ancestors 'none'
Referrer-Policy: no-referrer
X-Content-Type-Options: nosniff
X-Frame-Options: DENY
{{- end -}}

{{/* What a route of the Gateway API does to a request. */}}
{{- define "orfeon.edge.filters" -}}
- type: RequestHeaderModifier
  requestHeaderModifier:
    remove:
      {{- toYaml .Values.edge.identityHeaders | nindent 6 }}
{{- end -}}

{{/* The gRPC services that edge.grpcPaths let through, as YAML: of capabilities that are on, and the
     gateway's own. */}}
{{- define "orfeon.edge.grpcServices" -}}
{{- $known := list "orfeon.api.models.v1.ModelService" "orfeon.api.queue.v1.QueueService" "grpc.health.v1.Health" "grpc.reflection.v1alpha.ServerReflection" -}}
{{- range include "orfeon.capabilities" . | fromYaml -}}{{- $known = append $known .service -}}{{- end -}}
{{- $let := list -}}
{{- range $service := sortAlpha (uniq $known) -}}
{{- range $.Values.edge.grpcPaths -}}
{{- if hasPrefix . (printf "/%s/" $service) -}}{{- $let = append $let $service -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (uniq $let) -}}
{{- end -}}
