{{/* Trainings that could not run. Takes the root. */}}
{{- define "orfeon.guards.training" -}}
{{- with include "orfeon.capabilities" . | fromYaml -}}
{{- if .training -}}
{{- $claim := .training.volume.existingClaim -}}
{{- if not $claim -}}
{{- fail "capabilities.training needs capabilities.training.volume.existingClaim: its Jobs find the files there, and leave the models. Name a claim of class ReadWriteMany." -}}
{{- end -}}
{{- if and .emotion (ne .emotion.volume.existingClaim $claim) -}}
{{- fail (printf "capabilities.emotion.volume.existingClaim has to be %s, the claim of capabilities.training: emotion serves the models that are made there." $claim) -}}
{{- end -}}
{{- if and (not $.Values.rbac.create) (not $.Values.serviceAccount.training) -}}
{{- fail "rbac.create is off: name an account that may make Jobs in serviceAccount.training, or capabilities.training can start none." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
