{{/* The beginning of every object's name, another for each release. A long one ends in what tells it from others that
     begin alike, and is so short that -<component> still fits in a label. */}}
{{- define "orfeon.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- if and (not .Values.fullnameOverride) (ne .Chart.Name $name) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{- if gt (len $name) 40 -}}
{{- $name = printf "%s-%s" ($name | trunc 31 | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* The only place that names the namespace. */}}
{{- define "orfeon.namespace" -}}
{{- .Release.Namespace -}}
{{- end -}}

{{/* The domain of the release's Services. */}}
{{- define "orfeon.namespaceDomain" -}}
{{- include "orfeon.namespace" . }}.svc.{{ .Values.clusterDomain -}}
{{- end -}}
