{{/* What the IngressRoutes of Traefik are made of. */}}

{{/* "Host(`h`) && (PathPrefix(`/a`) || ...)". Takes {host, paths}. */}}
{{- define "orfeon.edge.rule" -}}
{{- $paths := list -}}
{{- range .paths -}}{{- $paths = append $paths (printf "PathPrefix(`%s`)" .) -}}{{- end -}}
{{- printf "Host(`%s`) && (%s)" .host (join " || " $paths) -}}
{{- end -}}

{{/* The middlewares of every route as a request meets them, yours before the last: each names what it is.
     None buffers: it would stop streams, and take uploads to a disk. */}}
{{- define "orfeon.edge.middlewares" -}}
{{- $name := printf "%s-edge" (include "orfeon.fullname" .) -}}
{{- with .Values.edge -}}
- name: {{ $name }}-headers
{{- if .rateLimit.average }}
- name: {{ $name }}-rate
{{- end }}
{{- if .inFlight.amount }}
- name: {{ $name }}-in-flight
{{- end }}
- name: {{ $name }}-identity
{{- with .traefik.middlewares }}
{{ toYaml . }}
{{- end }}
{{- if gt (int .traefik.dialAttempts) 1 }}
- name: {{ $name }}-redial
{{- end }}
{{- end }}
{{- end -}}

{{/* Who counts as one client. */}}
{{- define "orfeon.edge.source" -}}
ipStrategy:
  {{- if .Values.edge.source.ipDepth }}
  depth: {{ int .Values.edge.source.ipDepth }}
  {{- end }}
  ipv6Subnet: {{ int .Values.edge.source.ipv6Prefix }}
{{- end -}}

{{/* One route. Takes {root, host, paths, port, scheme}. */}}
{{- define "orfeon.edge.route" -}}
- kind: Rule
  match: {{ include "orfeon.edge.rule" . }}
  middlewares:
    {{- include "orfeon.edge.middlewares" .root | nindent 4 }}
  services:
    - name: {{ include "orfeon.edge.name" .root }}
      port: {{ .port }}
      {{- with .scheme }}
      scheme: {{ . }}
      {{- end }}
      {{- with .root.Values.edge.traefik.strategy | trimPrefix "wrr" }}
      strategy: {{ . }}
      {{- end }}
      serversTransport: {{ include "orfeon.fullname" .root }}-edge
{{- end -}}

{{- define "orfeon.edge.httpRoute" -}}
{{- include "orfeon.edge.route" (dict "root" . "host" .Values.edge.host "paths" .Values.edge.paths "port" "http") -}}
{{- end -}}

{{- define "orfeon.edge.grpcRoute" -}}
{{- $host := include "orfeon.edge.grpcHost" . -}}
{{- include "orfeon.edge.route" (dict "root" . "host" $host "paths" .Values.edge.grpcPaths "port" "grpc" "scheme" "h2c") -}}
{{- end -}}

{{- define "orfeon.edge.routeTls" -}}
{{- if ne .Values.edge.tls.mode "none" -}}
tls:
  {{- with include "orfeon.edge.secretName" . }}
  secretName: {{ . | quote }}
  {{- else }}
  certResolver: {{ .Values.edge.tls.certResolver | quote }}
  {{- end }}
  options:
    name: {{ include "orfeon.fullname" . }}-edge
{{- end -}}
{{- end -}}
