{{/* Resources that no pod can have: the API server takes the Deployment, and refuses each of its pods. Takes the root. */}}
{{- define "orfeon.guards.resources" -}}
{{- $all := dict "gateway.migrations" .Values.gateway.migrations "models.fetch" .Values.models.fetch "helmTest" .Values.helmTest "training.kubernetes" .Values.training.kubernetes "postgresql" .Values.postgresql "redis" .Values.redis -}}
{{- range $path, $pod := merge $all (include "orfeon.componentValues" . | fromYaml) -}}
{{- $limits := $pod.resources.limits | default dict -}}
{{- range $name, $asked := $pod.resources.requests -}}
{{- $limit := index $limits $name | default $asked -}}
{{- if gt (include "orfeon.amount" $asked | float64) (include "orfeon.amount" $limit | float64) -}}
{{- fail (printf "%s.resources.requests.%s is %v and its limit %v: a pod cannot ask for more than it may take. Lower the first, or raise the second." $path $name $asked $limit) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := $limits -}}
{{- if hasPrefix "nvidia.com/" $name -}}
{{- fail (printf "%s.resources.limits names %s: GPUs are given by gpu.profile, which sets the device and the image too. Set that, and take it out here." $path $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.triton -}}
{{- $limit := (.resources.limits | default dict).memory -}}
{{- if and .enabled $limit -}}
{{- if ge (include "orfeon.amount" .sharedMemory | float64) (include "orfeon.amount" $limit | float64) -}}
{{- fail (printf "triton.sharedMemory is a part of triton.resources.limits.memory, and fills it (%v): lower the one, or raise the other." $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity as a number. Takes it. */}}
{{- define "orfeon.amount" -}}
{{- $text := toString . -}}
{{- $factor := 1.0 -}}
{{- range $unit, $each := dict "m" 1e-3 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 -}}
{{- if hasSuffix $unit $text -}}{{- $factor = $each -}}{{- end -}}
{{- end -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) $factor -}}
{{- end -}}
