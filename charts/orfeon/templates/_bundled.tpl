{{/* The secret of postgresql or redis. Takes {root, name}. */}}
{{- define "orfeon.bundledSecret" -}}
{{- (index .root.Values .name).secretName | default (printf "%s-%s" (include "orfeon.fullname" .root) .name) -}}
{{- end -}}

{{/* The password that the cluster has already, or a new one: what is on the volume knows no other.
     Takes {root, name}. */}}
{{- define "orfeon.bundledPassword" -}}
{{- $secret := lookup "v1" "Secret" (include "orfeon.namespace" .root) (include "orfeon.bundledSecret" .) -}}
{{- with ($secret.data | default dict).password -}}
{{- b64dec . -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end -}}

{{/* An official image, which the registry of Orfeón's own does not have. Takes its values. */}}
{{- define "orfeon.officialImage" -}}
{{- $name := .repository -}}
{{- with .registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if .digest -}}{{ $name }}@{{ .digest }}{{- else -}}{{ $name }}:{{ .tag }}{{- end -}}
{{- end -}}

{{/* What the pods of postgresql and redis say before their containers: the user is the one of the official
     images. Takes {root, component, pod}. */}}
{{- define "orfeon.officialPodHead" -}}
serviceAccountName: {{ include "orfeon.serviceAccountName" .root | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 999
  runAsGroup: 999
  fsGroup: 999
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with include "orfeon.priorityClassName" . }}
priorityClassName: {{ . | quote }}
{{- end }}
terminationGracePeriodSeconds: 60
{{- include "orfeon.pullSecrets" .root }}
{{- include "orfeon.scheduling" .pod }}
{{- end -}}
