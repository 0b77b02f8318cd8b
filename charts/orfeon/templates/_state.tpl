{{/* Whether keys are in a PostgreSQL: "true", or nothing. Takes the root. */}}
{{- define "orfeon.hasDatabase" -}}
{{- if or .Values.gateway.database.secretName .Values.postgresql.bundled -}}true{{- end -}}
{{- end -}}

{{/* Where keys and usage are: of the gateway, its migrations and its test. Takes the root. */}}
{{- define "orfeon.databaseEnv" -}}
{{- $secret := dict "name" .Values.gateway.database.secretName "key" .Values.gateway.database.secretKey -}}
{{- if .Values.postgresql.bundled -}}
{{- $secret = dict "name" (include "orfeon.bundledSecret" (dict "root" . "name" "postgresql")) "key" "url" -}}
{{- end -}}
{{- if include "orfeon.hasDatabase" . }}
- name: ORFEON_GATEWAY_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ $secret.name | quote }}, key: {{ $secret.key | quote }}}
{{- end }}
{{- end -}}

{{/* Where several gateways count together. Takes the root. */}}
{{- define "orfeon.rateLimitEnv" -}}
{{- $secret := dict "name" .Values.redis.external.secretName "key" .Values.redis.external.secretKey -}}
{{- if .Values.redis.bundled -}}
{{- $secret = dict "name" (include "orfeon.bundledSecret" (dict "root" . "name" "redis")) "key" "url" -}}
{{- end -}}
{{- if $secret.name }}
- name: ORFEON_GATEWAY_RATE_LIMIT_STORAGE
  valueFrom:
    secretKeyRef: {name: {{ $secret.name | quote }}, key: {{ $secret.key | quote }}}
{{- end }}
{{- end -}}

{{/* The claim that keys in SQLite are on; nothing where they are in a PostgreSQL, or die with the pod. Takes the root. */}}
{{- define "orfeon.gatewayClaim" -}}
{{- if and .Values.gateway.persistence.enabled (not (include "orfeon.hasDatabase" .)) -}}
{{- .Values.gateway.persistence.existingClaim | default (printf "%s-gateway" (include "orfeon.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{/* The components that ask a PostgreSQL, as YAML: for each `postgresql`, the bundled one, or `database`, one of yours.
     Takes the root. */}}
{{- define "orfeon.databaseUsers" -}}
{{- $users := dict -}}
{{- if include "orfeon.hasDatabase" . -}}
{{- range list "gateway" "test" }}{{ $_ := set $users . (ternary "postgresql" "database" $.Values.postgresql.bundled) }}{{ end -}}
{{- end -}}
{{- range $name, $capability := include "orfeon.capabilities" . | fromYaml -}}
{{- with index $capability.secretEnv (printf "ORFEON_%s_DATABASE_URL" (upper $name)) -}}
{{- $own := eq .secretName (include "orfeon.bundledSecret" (dict "root" $ "name" "postgresql")) -}}
{{- $_ := set $users $name (ternary "postgresql" "database" (and $own $.Values.postgresql.bundled)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $users -}}
{{- end -}}
