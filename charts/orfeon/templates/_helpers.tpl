{{/* The beginning of every object's name. Shortened, so that -<component> still fits in a label. */}}
{{- define "orfeon.fullname" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name -}}
{{- if and (not .Values.fullnameOverride) (not (contains .Chart.Name $name)) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Never changes within a release, because selectors must not. Takes {root, component}. */}}
{{- define "orfeon.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Of pods: without versions, so that a new chart alone restarts none. Takes {root, component}. */}}
{{- define "orfeon.podLabels" -}}
{{ include "orfeon.selector" . }}
app.kubernetes.io/part-of: orfeon
{{- end -}}

{{/* Of everything else. Takes {root, component}. */}}
{{- define "orfeon.labels" -}}
{{ include "orfeon.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Takes {root, image}. */}}
{{- define "orfeon.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if .image.digest -}}
{{ $name }}@{{ .image.digest }}
{{- else -}}
{{ $name }}:{{ .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "orfeon.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "orfeon.fullname" .) -}}
{{- end -}}

{{/* The capabilities that are on, each over its defaults, as YAML. */}}
{{- define "orfeon.capabilities" -}}
{{- $all := dict -}}
{{- range $name, $own := .Values.capabilities -}}
{{- $merged := mergeOverwrite (deepCopy $.Values.capabilityDefaults) (deepCopy $own) -}}
{{- $there := index $.Values.triton.capabilities $name | default dict -}}
{{- if and $.Values.triton.enabled $there.enabled (not $merged.engine) -}}
{{- $_ := set $merged "engine" "triton" -}}
{{- with $there.slots }}{{- $_ := set $merged "slots" . -}}{{- end -}}
{{- end -}}
{{- if $merged.enabled -}}{{- $_ := set $all $name $merged -}}{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}
