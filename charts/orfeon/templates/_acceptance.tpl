{{/* What `helm test` asks, and with which key. Takes the root. */}}
{{- define "orfeon.acceptanceEnv" -}}
{{- $on := include "orfeon.capabilities" . | fromYaml -}}
{{- $makesKey := or (include "orfeon.gatewayClaim" .) (include "orfeon.hasDatabase" .) | not | not -}}
- {name: ORFEON_HOME, value: /var/lib/orfeon}
- name: ORFEON_ACCEPTANCE_URL
  value: http://{{ include "orfeon.fullname" . }}-gateway:{{ .Values.gateway.service.port }}
- {name: ORFEON_ACCEPTANCE_CHAT, value: {{ hasKey $on "chat" | quote }}}
{{- if hasKey $on "emotion" }}
- {name: ORFEON_ACCEPTANCE_CLIP, value: /etc/orfeon/voice/voice.wav}
{{- end }}
- {name: ORFEON_ACCEPTANCE_MAKES_KEY, value: {{ $makesKey | quote }}}
- {name: ORFEON_ACCEPTANCE_WAIT_SECONDS, value: {{ .Values.helmTest.waitSeconds | quote }}}
{{- with .Values.helmTest.secretName }}
- name: ORFEON_ACCEPTANCE_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.helmTest.secretKey | quote }}}
{{- end }}
{{- with .Values.gateway.env.ORFEON_GATEWAY_REQUIRE_KEYS }}
- {name: ORFEON_GATEWAY_REQUIRE_KEYS, value: {{ . | quote }}}
{{- end }}
{{- include "orfeon.databaseEnv" . }}
{{- end -}}
