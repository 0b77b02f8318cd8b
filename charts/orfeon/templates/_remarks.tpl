{{/* Whether anybody may ask without a key: "true", or nothing. Takes the root. */}}
{{- define "orfeon.isOpen" -}}
{{- if eq (.Values.gateway.env.ORFEON_GATEWAY_REQUIRE_KEYS | default "true" | lower) "false" -}}true{{- end -}}
{{- end -}}

{{/* What somebody who has just installed these values should know, as YAML. Takes the root. */}}
{{- define "orfeon.remarks" -}}
{{- $said := list -}}
{{- $gateway := .Values.gateway -}}
{{- $kept := or (include "orfeon.gatewayClaim" .) (include "orfeon.hasDatabase" .) -}}
{{- $several := gt (include "orfeon.maxReplicas" $gateway | int) 1 -}}
{{- $counted := or .Values.redis.bundled .Values.redis.external.secretName -}}
{{- if not (or $kept (include "orfeon.isOpen" .)) -}}
{{- $said = append $said "Keys are not kept: gateway.persistence is off and no database is named, so they die with the pod." -}}
{{- end -}}
{{- if not (or $kept (include "orfeon.isOpen" .) .Values.helmTest.secretName) -}}
{{- $said = append $said "helm test can make no key there: it only sees whether all is ready, unless helmTest.secretName names one." -}}
{{- end -}}
{{- if and $several (not $counted) -}}
{{- $said = append $said "each gateway counts rates by itself, so a key may ask more often than its limit says: set redis.external.secretName." -}}
{{- end -}}
{{- if and (include "orfeon.scaled" . | fromYaml) (not .Values.serviceMonitor.enabled) -}}
{{- $said = append $said "autoscaling goes by metrics that serviceMonitor.enabled has scraped, and it is off: what scrapes instead has to set the labels namespace, service and pod." -}}
{{- end -}}
{{- if and .Values.studio.enabled (gt (int .Values.studio.replicas) 1) (has .Values.edge.provider (list "none" "gatewayApi")) -}}
{{- $said = append $said "studio.replicas is more than 1, and sessions are kept in memory: what brings browsers in has to keep each at one pod, or they have to sign in again and again." -}}
{{- end -}}
{{- if .Values.postgresql.bundled -}}
{{- $said = append $said "postgresql.bundled is for trials: one pod, no copy, no backup. Its volume and its secret outlive helm uninstall; remove them together." -}}
{{- end -}}
{{- if .Values.redis.bundled -}}
{{- $said = append $said "redis.bundled is for trials: one pod. While it is away limits fail open or closed by level, as ORFEON_GATEWAY_RATE_LIMIT_FAIL_OPEN_LEVELS says." -}}
{{- end -}}
{{- if not .Values.networkPolicy.enabled -}}
{{- $said = append $said "networkPolicy.enabled is off: every pod of the cluster may call the models, and Triton's administration." -}}
{{- else if and (ne .Values.edge.provider "none") (eq $gateway.service.type "ClusterIP") -}}
{{- $said = append $said "only the peers of networkPolicy.clients reach the gateway: they have to be the pods of your edge." -}}
{{- end -}}
{{- toYaml $said -}}
{{- end -}}
