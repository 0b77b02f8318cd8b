{{/* Meets the Pod Security Standard "restricted"; the user is the one of the images. */}}
{{- define "orfeon.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Takes whether the root filesystem is read-only. */}}
{{- define "orfeon.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ . }}
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What every pod says before its containers. Takes {root, component, pod}. */}}
{{- define "orfeon.podHead" -}}
serviceAccountName: {{ include "orfeon.accountOf" . | quote }}
automountServiceAccountToken: {{ eq .component "training" }}
# Variables made of Services would take names that belong to the settings.
enableServiceLinks: false
securityContext:
  {{- include "orfeon.podSecurityContext" . | nindent 2 }}
{{- include "orfeon.pullSecrets" .root }}
# Drained requests end before the pod is killed.
terminationGracePeriodSeconds: {{ add .pod.preStopSeconds .pod.drainSeconds 10 }}
{{- with include "orfeon.priorityClassName" . }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- include "orfeon.scheduling" .pod }}
{{- include "orfeon.topologySpread" . }}
{{- end -}}

{{/* Credentials for the registry. Takes the root. */}}
{{- define "orfeon.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Environment that the values add. Takes the values of the component. */}}
{{- define "orfeon.extraEnv" -}}
{{- range $name, $value := .env }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $ref := .secretEnv }}
- name: {{ $name | quote }}
  valueFrom:
    secretKeyRef: {name: {{ $ref.secretName | quote }}, key: {{ $ref.secretKey | quote }}}
{{- end }}
{{- end -}}

{{/* The environment as given, or a failure where a name is in it twice. Takes YAML. */}}
{{- define "orfeon.uniqueEnv" -}}
{{- $seen := dict -}}
{{- range fromYamlArray . -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "%s is set twice. The chart sets it from a value of its own, or env and secretEnv both name it: leave it out of one." .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- . -}}
{{- end -}}
