{{/* GPUs that are named and not used, or asked for in a way that the cluster cannot give. Takes the root. */}}
{{- define "orfeon.guards.gpu" -}}
{{- $profile := .Values.gpu.profile -}}
{{- $pods := include "orfeon.capabilities" . | fromYaml -}}
{{- $paths := dict -}}
{{- range $name, $pod := $pods -}}{{- $_ := set $paths (printf "capabilities.%s" $name) $pod -}}{{- end -}}
{{- if .Values.triton.enabled -}}{{- $_ := set $paths "triton" (include "orfeon.triton" . | fromYaml) -}}{{- end -}}
{{- $count := 0 -}}
{{- range $path, $pod := $paths -}}
{{- include "orfeon.guards.gpuNamed" (dict "root" $ "path" $path "pod" $pod) -}}
{{- if $pod.gpu.enabled -}}
{{- $count = add $count (include "orfeon.maxReplicas" $pod | int) -}}
{{- if and (eq $profile "shared") (gt (int $pod.gpu.count) 1) -}}
{{- fail (printf "%s.gpu.count is above 1, but a second place on a shared GPU gives no more of it: set it to 1." $path) -}}
{{- end -}}
{{- if and $pod.gpu.resourceClaimTemplate (not (semverCompare ">=1.34.0-0" $.Capabilities.KubeVersion.Version)) -}}
{{- fail (printf "gpu.resourceClaimTemplate needs Kubernetes 1.34, and this is %s: empty it, and name a resource." $.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.gpu.shared.replicas -}}
{{- if and (eq $profile "shared") (gt (int $count) (int .)) -}}
{{- fail (printf "%d pods want a shared GPU and gpu.shared.replicas says that there are places for %d: set capabilities.<name>.gpu.enabled to false for some, or have the device plugin make more of each GPU." (int $count) (int .)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.arbiter.enabled (eq $profile "mig") -}}
{{- fail "arbiter.enabled and gpu.profile mig exclude one another: slices share no memory that could be divided. Turn the arbiter off." -}}
{{- end -}}
{{- if and .Values.arbiter.enabled (eq $profile "cpu") -}}
{{- fail "arbiter.enabled divides the memory of GPUs, and gpu.profile is cpu: set gpu.profile, or turn the arbiter off." -}}
{{- end -}}
{{- if and .Values.gpu.resourceClaimTemplate (eq $profile "cpu") -}}
{{- fail "gpu.resourceClaimTemplate names a GPU, and gpu.profile is cpu: set gpu.profile, or empty it." -}}
{{- end -}}
{{- if and (ne $profile "cpu") (not $count) -}}
{{- fail (printf "gpu.profile is %s, but nothing uses a GPU: set capabilities.<name>.gpu.enabled to true for something, or gpu.profile to cpu." $profile) -}}
{{- end -}}
{{- end -}}

{{/* A GPU that one component names for itself and does not get. Takes {root, path, pod}. */}}
{{- define "orfeon.guards.gpuNamed" -}}
{{- $name := trimPrefix "capabilities." .path -}}
{{- $own := index (set (deepCopy .root.Values.capabilities) "triton" .root.Values.triton) $name -}}
{{- $named := $own.gpu | default dict -}}
{{- if and (or $named.resource $named.resourceClaimTemplate) (not .pod.gpu.enabled) -}}
{{- $why := "gpu.profile is cpu: set gpu.profile" -}}
{{- if ne .root.Values.gpu.profile "cpu" -}}
{{- $why = printf "it uses none: set %s.gpu.enabled to true and its engine to none of fake and triton" .path -}}
{{- end -}}
{{- fail (printf "%s.gpu names a GPU, but %s, or name none." .path $why) -}}
{{- end -}}
{{- end -}}
