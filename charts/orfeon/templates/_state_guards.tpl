{{/* Databases that cannot be. Takes the root. */}}
{{- define "orfeon.guards.state" -}}
{{- $gateway := .Values.gateway -}}
{{- if and .Values.postgresql.bundled $gateway.database.secretName -}}
{{- fail "postgresql.bundled and gateway.database.secretName are two databases for the same keys: turn the first off, or empty the second." -}}
{{- end -}}
{{- if and .Values.redis.bundled .Values.redis.external.secretName -}}
{{- fail "redis.bundled and redis.external.secretName are two places to count in: turn the first off, or empty the second." -}}
{{- end -}}
{{- if and .Values.postgresql.bundled (gt (include "orfeon.maxReplicas" $gateway | int) 1) -}}
{{- fail "postgresql.bundled is one pod, without which every gateway forgets its keys: for gateway.replicas above 1 name a database that does not fail in gateway.database.secretName." -}}
{{- end -}}
{{- if and (gt (include "orfeon.maxReplicas" $gateway | int) 1) (not (include "orfeon.hasDatabase" .)) -}}
{{- fail "gateway.replicas above 1 needs gateway.database.secretName, as does gateway.autoscaling: keys in SQLite on a volume serve a single pod." -}}
{{- end -}}
{{- end -}}
