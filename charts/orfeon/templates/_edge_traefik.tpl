{{/* What the IngressRoutes of Traefik are made of. */}}

{{/* "Host(`h`) && (Path(`/`) || PathPrefix(`/a`) || ...)". Takes {host, paths, exact}. */}}
{{- define "orfeon.edge.rule" -}}
{{- $paths := list -}}
{{- range .exact -}}{{- $paths = append $paths (printf "Path(`%s`)" .) -}}{{- end -}}
{{- range .paths -}}{{- $paths = append $paths (printf "PathPrefix(`%s`)" .) -}}{{- end -}}
{{- printf "Host(`%s`) && (%s)" .host (join " || " $paths) -}}
{{- end -}}

{{/* One route. Takes {root, component, host, paths, exact, port, scheme, sticky}. */}}
{{- define "orfeon.edge.route" -}}
- kind: Rule
  match: {{ include "orfeon.edge.rule" . }}
  middlewares:
    {{- include "orfeon.edge.middlewares" . | trim | nindent 4 }}
  services:
    - name: {{ include "orfeon.fullname" .root }}-{{ .component }}
      port: {{ .port }}
      {{- with .scheme }}
      scheme: {{ . }}
      {{- end }}
      {{- with .root.Values.edge.traefik.strategy | trimPrefix "wrr" }}
      strategy: {{ . }}
      {{- end }}
      {{- with .sticky }}
      sticky:
        cookie:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      serversTransport: {{ include "orfeon.fullname" .root }}-edge
{{- end -}}

{{- define "orfeon.edge.httpRoute" -}}
{{- include "orfeon.edge.route" (dict "root" . "component" "gateway" "host" .Values.edge.host "paths" .Values.edge.paths "port" "http") -}}
{{- end -}}

{{/* Sessions of Studio are in the memory of one pod, which a browser finds again by a cookie. */}}
{{- define "orfeon.edge.studioRoute" -}}
{{- $sticky := dict -}}
{{- if gt (int .Values.studio.replicas) 1 -}}
{{- $sticky = dict "name" "orfeon_studio_pod" "path" "/studio" "httpOnly" true "sameSite" "lax" "secure" (ne .Values.edge.tls.mode "none") -}}
{{- end -}}
{{- include "orfeon.edge.route" (dict "root" . "component" "studio" "host" .Values.edge.host "exact" (list "/" "/studio") "paths" (list "/studio/") "port" "http" "sticky" $sticky) -}}
{{- end -}}

{{- define "orfeon.edge.grpcRoute" -}}
{{- $host := include "orfeon.edge.grpcHost" . -}}
{{- include "orfeon.edge.route" (dict "root" . "component" "gateway" "host" $host "paths" .Values.edge.grpcPaths "port" "grpc" "scheme" "h2c") -}}
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
