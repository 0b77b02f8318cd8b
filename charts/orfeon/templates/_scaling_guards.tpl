{{/* Numbers of pods that cannot be. Takes the root. */}}
{{- define "orfeon.guards.scaling" -}}
{{- $paths := dict "gateway" .Values.gateway -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- $path := printf "capabilities.%s" $name -}}
{{- $_ := set $paths $path $capability -}}
{{- $many := gt (include "orfeon.maxReplicas" $capability | int) 1 -}}
{{- if and $many $capability.recreate -}}
{{- fail (printf "%s keeps a database on its volume, which one pod has at a time: leave %s.replicas at 1 and its autoscaling off." $path $path) -}}
{{- end -}}
{{- if and $many $capability.sharesVolume (not $capability.volume.existingClaim) -}}
{{- fail (printf "%s answers from files on its volume: more than one pod need %s.volume.existingClaim, a claim that they all mount." $path $path) -}}
{{- end -}}
{{- if and (include "orfeon.isScaled" $capability) (not $capability.recreate) -}}
{{- include "orfeon.guards.refusal" (dict "path" $path "name" $name "pod" $capability) -}}
{{- end -}}
{{- end -}}
{{- range $path, $pod := $paths -}}
{{- if include "orfeon.isScaled" $pod -}}
{{- if gt (int $pod.autoscaling.minReplicas) (int $pod.autoscaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is above maxReplicas: lower it, or raise the other." $path) -}}
{{- end -}}
{{- if and (eq $pod.autoscaling.by "keda") (not $.Values.autoscaling.prometheusUrl) -}}
{{- fail (printf "%s.autoscaling.by is keda, which asks a Prometheus: name it in autoscaling.prometheusUrl." $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Requests must not be refused before more pods are started. What a level may queue is the setting's default unless
     the environment says otherwise. Takes {path, name, pod}. */}}
{{- define "orfeon.guards.refusal" -}}
{{- $variable := printf "ORFEON_%s_MAX_QUEUED_PER_LEVEL" (upper .name) -}}
{{- $text := index .pod.env $variable | default "[16, 64, 48]" -}}
{{- if not (regexMatch "^\\s*\\[(\\s*[0-9]+\\s*,){2}\\s*[0-9]+\\s*\\]\\s*$" $text) -}}
{{- fail (printf "%s.env.%s is %s: it is three numbers, one for each level, such as [16, 64, 48]." .path $variable $text) -}}
{{- end -}}
{{- $levels := fromJsonArray $text -}}
{{- $room := min (int .pod.maxQueued) (int (index $levels 0)) (int (index $levels 1)) (int (index $levels 2)) -}}
{{- $full := add .pod.slots $room -}}
{{- if ge (int (.pod.autoscaling.requestsPerReplica | default .pod.slots)) (int $full) -}}
{{- fail (printf "%s.autoscaling.requestsPerReplica has to be below %d, at which a pod refuses requests of some level: its slots, and what may wait." .path $full) -}}
{{- end -}}
{{- end -}}
