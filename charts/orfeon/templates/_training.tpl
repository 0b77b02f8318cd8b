{{/* How capabilities.training makes Jobs: ORFEON_TRAINING_KUBERNETES__<NAME>. Takes the root. */}}
{{- define "orfeon.trainingEnv" -}}
{{- $jobs := include "orfeon.trainer" . | fromYaml -}}
{{- $told := dict
  "IMAGE" (include "orfeon.image" (dict "root" . "image" $jobs.image))
  "CLAIM" (include "orfeon.capabilities" . | fromYaml).training.volume.existingClaim
  "SERVICE_ACCOUNT" (include "orfeon.serviceAccountName" .)
  "PULL_POLICY" .Values.image.pullPolicy
  "LABELS" (include "orfeon.selector" (dict "root" . "component" "trainer") | fromYaml | toJson)
  "GPUS" (toString $jobs.gpus)
  "GPU_RESOURCE" $jobs.gpuResource
  "RUNTIME_CLASS" $jobs.runtimeClassName
  "PRIORITY_CLASS" (include "orfeon.priorityClassName" (dict "root" . "component" "trainer" "pod" $jobs))
  "REQUESTS" (include "orfeon.quantities" $jobs.resources.requests)
  "LIMITS" (include "orfeon.quantities" $jobs.resources.limits)
  "SHARED_MEMORY" (toString $jobs.sharedMemory)
  "BACKOFF_LIMIT" (toString $jobs.backoffLimit)
  "TTL_SECONDS" (toString $jobs.ttlSeconds) -}}
{{- $lists := dict
  "PULL_SECRETS" .Values.image.pullSecrets
  "NODE_SELECTOR" $jobs.nodeSelector
  "TOLERATIONS" $jobs.tolerations
  "ENV" $jobs.env -}}
{{- range $name, $value := $lists }}{{ if $value }}{{ $_ := set $told $name (toJson $value) }}{{ end }}{{ end }}
- {name: ORFEON_TRAINING_RUNNER, value: kubernetes}
{{- range $name, $value := $told }}
{{- if $value }}
- name: ORFEON_TRAINING_KUBERNETES__{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* training.kubernetes with what gpu.profile says of GPUs, as YAML. Takes the root. */}}
{{- define "orfeon.trainer" -}}
{{- $profile := .Values.gpu -}}
{{- $jobs := deepCopy .Values.training.kubernetes -}}
{{- $_ := set $jobs "gpuResource" ($jobs.gpuResource | default (include "orfeon.gpuResource" .)) -}}
{{- if not $jobs.gpuResource }}{{ $_ := set $jobs "gpus" 0 }}{{ end -}}
{{- if and (ne $profile.profile "cpu") $jobs.gpus -}}
{{- $_ := set $jobs "runtimeClassName" ($jobs.runtimeClassName | default $profile.runtimeClassName) -}}
{{- $_ := set $jobs "nodeSelector" (merge $jobs.nodeSelector (deepCopy $profile.nodeSelector)) -}}
{{- $_ := set $jobs "tolerations" (concat $jobs.tolerations $profile.tolerations | uniq) -}}
{{- end -}}
{{- if .Values.models.offline }}{{ $_ := set $jobs.env "HF_HUB_OFFLINE" ($jobs.env.HF_HUB_OFFLINE | default "1") }}{{ end -}}
{{- toYaml $jobs -}}
{{- end -}}

{{/* As JSON, each as text. Takes requests or limits. */}}
{{- define "orfeon.quantities" -}}
{{- $texts := dict -}}
{{- range $name, $value := . }}{{ $_ := set $texts $name (toString $value) }}{{ end -}}
{{- toJson $texts -}}
{{- end -}}
