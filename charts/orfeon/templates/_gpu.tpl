{{/* The values of a component with what gpu.profile says of its GPU, as YAML. `gpu.enabled` then means that the
     pod has one: what computes on Triton has it there, and what is fake needs none. Takes {root, pod}. */}}
{{- define "orfeon.withGpu" -}}
{{- $profile := .root.Values.gpu -}}
{{- $pod := deepCopy .pod -}}
{{- $elsewhere := has ($pod.engine | default "") (list "fake" "triton") -}}
{{- if and (ne $profile.profile "cpu") $pod.gpu.enabled (not $elsewhere) -}}
{{- $claim := $pod.gpu.resourceClaimTemplate | default (ternary $profile.resourceClaimTemplate "" (empty $pod.gpu.resource)) -}}
{{- $_ := set $pod.gpu "resourceClaimTemplate" $claim -}}
{{- $_ := set $pod.gpu "resource" ($pod.gpu.resource | default (include "orfeon.gpuResource" .root)) -}}
{{- $_ := set $pod.gpu "runtimeClassName" ($pod.gpu.runtimeClassName | default $profile.runtimeClassName) -}}
{{- $_ := set $pod "nodeSelector" (merge $pod.nodeSelector (deepCopy $profile.nodeSelector)) -}}
{{- $_ := set $pod "tolerations" (concat $pod.tolerations $profile.tolerations) -}}
{{- else -}}
{{- $_ := set $pod "gpu" (dict "enabled" false) -}}
{{- end -}}
{{- toYaml $pod -}}
{{- end -}}

{{/* What a GPU is called under the profile. Takes the root. */}}
{{- define "orfeon.gpuResource" -}}
{{- with .Values.gpu -}}
{{- if ne .profile "cpu" -}}{{- (index . .profile).resource -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The image of a capability, as YAML: the one that is built for GPUs where it has one. An image with a tag or a
     digest of its own is taken as it is. Takes {root, pod}. */}}
{{- define "orfeon.variant" -}}
{{- $image := deepCopy .pod.image -}}
{{- if and .pod.gpu.enabled (not $image.tag) (not $image.digest) -}}
{{- $tag := .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- $_ := set $image "tag" (print $tag .root.Values.gpu.imageTagSuffix) -}}
{{- end -}}
{{- toYaml $image -}}
{{- end -}}

{{/* The arbiter's values, as YAML. It is on by itself where pods share GPUs, and sees them there. Takes the root. */}}
{{- define "orfeon.arbiter" -}}
{{- $profile := .Values.gpu -}}
{{- $arbiter := deepCopy .Values.arbiter -}}
{{- if eq $profile.profile "shared" -}}
{{- $_ := set $arbiter "enabled" true -}}
{{- $_ := set $arbiter.gpus "visible" true -}}
{{- end -}}
{{- if ne $profile.profile "cpu" -}}
{{- $_ := set $arbiter.gpus "runtimeClassName" ($arbiter.gpus.runtimeClassName | default $profile.runtimeClassName) -}}
{{- $_ := set $arbiter "nodeSelector" (merge $arbiter.nodeSelector (deepCopy $profile.nodeSelector)) -}}
{{- $_ := set $arbiter "tolerations" (concat $arbiter.tolerations $profile.tolerations) -}}
{{- end -}}
{{- toYaml $arbiter -}}
{{- end -}}

{{/* Triton's values, as YAML. Takes the root. */}}
{{- define "orfeon.triton" -}}
{{- include "orfeon.withGpu" (dict "root" . "pod" .Values.triton) -}}
{{- end -}}
