{{/* The role by which a component has its PriorityClass. Takes its name. */}}
{{- define "orfeon.priorityRole" -}}
{{- if has . (list "gateway" "studio" "arbiter" "postgresql" "redis") -}}edge
{{- else if has . (list "test" "trainer" "weights") -}}batch
{{- else -}}serving
{{- end -}}
{{- end -}}

{{/* A PriorityClass of the chart's. It is the cluster's, where releases of other namespaces may be called the same: its
     name ends in what tells the namespace from others. Takes {root, role}. */}}
{{- define "orfeon.priorityClass" -}}
{{- include "orfeon.fullname" .root }}-{{ .role }}-{{ include "orfeon.namespace" .root | sha256sum | trunc 8 -}}
{{- end -}}

{{/* The PriorityClass of a pod; nothing for the cluster's default. Takes {root, component, pod}. */}}
{{- define "orfeon.priorityClassName" -}}
{{- if .pod.priorityClassName -}}
{{- .pod.priorityClassName -}}
{{- else if and .root.Values.priorityClasses.create (ne .component "migrations") -}}
{{- /* Those run before the classes are made. */ -}}
{{- include "orfeon.priorityClass" (dict "root" .root "role" (include "orfeon.priorityRole" .component)) -}}
{{- end -}}
{{- end -}}
