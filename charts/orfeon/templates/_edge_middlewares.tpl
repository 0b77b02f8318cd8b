{{/* The middlewares of every route as a request meets them, yours before the last: each names what it is.
     None buffers: it would stop streams, and take uploads to a disk. Takes {root, component}. */}}
{{- define "orfeon.edge.middlewares" -}}
{{- $name := printf "%s-edge" (include "orfeon.fullname" .root) -}}
{{- $own := ternary "-studio" "" (eq .component "studio") -}}
{{- $edge := .root.Values.edge -}}
{{- $limits := ternary $edge.studio $edge (eq .component "studio") -}}
{{- if or (eq .component "gateway") (include "orfeon.edge.hsts" .root) }}
- name: {{ $name }}{{ $own }}-headers
{{- end }}
{{- if $limits.rateLimit.average }}
- name: {{ $name }}{{ $own }}-rate
{{- end }}
{{- if $limits.inFlight.amount }}
- name: {{ $name }}{{ $own }}-in-flight
{{- end }}
- name: {{ $name }}-identity
{{- with $edge.traefik.middlewares }}
{{ toYaml . }}
{{- end }}
{{- if gt (int $edge.traefik.dialAttempts) 1 }}
- name: {{ $name }}-redial
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
