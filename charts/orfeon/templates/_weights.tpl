{{/* Weights that images do not hold lie in one volume, which pods mount at one place and only read: models/<name>/ in it
     has a model.yaml and its files. What differs by models.source is what kind of volume it is, and who fills it. */}}

{{/* The volume. Takes the root. */}}
{{- define "orfeon.weightsVolume" -}}
{{- $models := .Values.models -}}
{{- if has $models.source (list "claim" "job") }}
- name: weights
  persistentVolumeClaim: {claimName: {{ include "orfeon.weightsClaim" . | quote }}, readOnly: true}
{{- else if eq $models.source "image" }}
- name: weights
  image: {reference: {{ $models.image.reference | quote }}, pullPolicy: {{ $models.image.pullPolicy }}}
{{- else if eq $models.source "init" }}
- name: weights
  emptyDir: {sizeLimit: {{ $models.init.sizeLimit }}}
{{- include "orfeon.definitionsVolume" . }}
{{- end }}
{{- end -}}

{{/* The models that are to be fetched. Takes the root. */}}
{{- define "orfeon.definitionsVolume" }}
- name: definitions
  configMap: {name: {{ include "orfeon.fullname" . }}-weights}
# Where the hub's library and its downloads find room.
- name: fetching
  emptyDir: {}
{{- end -}}

{{- define "orfeon.weightsMount" -}}
{{- if ne .Values.models.source "package" }}
- {name: weights, mountPath: /var/lib/orfeon-weights, readOnly: true}
{{- end }}
{{- end -}}

{{/* Environment of what loads models. Takes the root. */}}
{{- define "orfeon.weightsEnv" -}}
{{- if ne .Values.models.source "package" }}
- {name: ORFEON_SHARED_MODELS, value: /var/lib/orfeon-weights/models}
{{- end }}
{{- if .Values.models.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- end -}}

{{- define "orfeon.weightsClaim" -}}
{{- .Values.models.claim.existingClaim | default (printf "%s-weights" (include "orfeon.fullname" .)) -}}
{{- end -}}

{{/* The file that says that models have been fetched. Pods that fetch for themselves are replaced for other models, by the name
     of it; those that wait for a Job are not: they would be gone for as long as it fetches. Takes the root. */}}
{{- define "orfeon.weightsMark" -}}
/var/lib/orfeon-weights/.pulled
{{- if eq .Values.models.source "init" -}}-{{ include "orfeon.definitionsHash" . }}{{- end -}}
{{- end -}}

{{- define "orfeon.definitionsHash" -}}
{{- .Values.models.definitions | toJson | sha256sum | trunc 8 -}}
{{- end -}}

{{/* The components that fetch weights, as YAML. Takes the root. */}}
{{- define "orfeon.fetchers" -}}
{{- $names := list -}}
{{- if eq .Values.models.source "job" -}}{{- $names = list "weights" -}}{{- end -}}
{{- if eq .Values.models.source "init" -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- if $capability.loadsModels -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- if .Values.triton.enabled -}}{{- $names = append $names "triton" -}}{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}
