{{/* The container that fetches. What it is told of files that are there is one look at each. Takes the root. */}}
{{- define "orfeon.fetchContainer" -}}
{{- $hub := .Values.models.hub -}}
name: weights
image: {{ include "orfeon.image" (dict "root" . "image" .Values.gateway.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "orfeon.securityContext" true | nindent 2 }}
command: [sh, -c]
args:
  - orfeon models pull --from /etc/orfeon/definitions && touch "$0"
  - {{ include "orfeon.weightsMark" . }}
env:
  - {name: ORFEON_HOME, value: /var/lib/orfeon-weights}
  - {name: HF_HOME, value: /tmp/huggingface}
  {{- with $hub.endpoint }}
  - {name: HF_ENDPOINT, value: {{ . | quote }}}
  {{- end }}
  {{- if $hub.tokenSecretName }}
  - name: HF_TOKEN
    valueFrom:
      secretKeyRef: {name: {{ $hub.tokenSecretName | quote }}, key: {{ $hub.tokenSecretKey | quote }}}
  {{- end }}
resources:
  {{- toYaml .Values.models.fetch.resources | nindent 2 }}
volumeMounts:
  - {name: weights, mountPath: /var/lib/orfeon-weights}
  - {name: definitions, mountPath: /etc/orfeon/definitions, readOnly: true}
  - {name: fetching, mountPath: /tmp}
{{- end -}}

{{/* What pods that load models do before: they fetch, or wait until the Job has. Takes {root, image, name}. */}}
{{- define "orfeon.weightsInit" -}}
{{- $source := .root.Values.models.source -}}
{{- if eq $source "init" }}
initContainers:
  - {{- include "orfeon.fetchContainer" .root | nindent 4 }}
{{- else if eq $source "job" }}
initContainers:
  # A default model that is not there would end the container.
  - name: weights
    image: {{ include "orfeon.image" (dict "root" .root "image" .image) }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    securityContext:
      {{- include "orfeon.securityContext" true | nindent 6 }}
    command: [sh, -c]
    args:
      - until test -e "$0"; do sleep 2; done
      - {{ include "orfeon.weightsMark" .root }}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      {{- include "orfeon.weightsMount" .root | nindent 6 }}
{{- end }}
{{- end -}}

{{/* The pod of the Job that fetches. Takes the root. */}}
{{- define "orfeon.fetchPod" -}}
{{- $pod := merge (dict "preStopSeconds" 0 "drainSeconds" 20) (deepCopy .Values.models.fetch) -}}
{{- include "orfeon.podHead" (dict "root" . "component" "weights" "pod" $pod) }}
# Goes on where it ended.
restartPolicy: OnFailure
containers:
  - {{- include "orfeon.fetchContainer" . | nindent 4 }}
volumes:
  - name: weights
    persistentVolumeClaim: {claimName: {{ include "orfeon.weightsClaim" . | quote }}}
  {{- include "orfeon.definitionsVolume" . | indent 2 }}
{{- end -}}
