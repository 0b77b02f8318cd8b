{{/* Threads for one request: the CPU limit in whole cores, over the slots unless these share them.
     Takes the capability. */}}
{{- define "orfeon.threads" -}}
{{- $cpu := toString .resources.limits.cpu -}}
{{- $cores := 1 -}}
{{- if hasSuffix "m" $cpu -}}
{{- $cores = div (add (trimSuffix "m" $cpu | atoi) 999) 1000 -}}
{{- else -}}
{{- $cores = ceil (float64 $cpu) | int -}}
{{- end -}}
{{- max 1 (div $cores (ternary 1 .slots .slotsShareThreads)) -}}
{{- end -}}
