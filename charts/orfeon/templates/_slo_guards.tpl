{{/* A duration such as 30s, in milliseconds. */}}
{{- define "orfeon.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (index $units (regexFind "[a-z]+$" .)) -}}
{{- end -}}

{{/* What cannot work of the objects of metrics, rules and dashboards. */}}
{{- define "orfeon.guards.slo" -}}
{{- if and .Values.slo.checkCustomResources (or .Values.serviceMonitor.enabled .Values.prometheusRule.enabled) (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- fail "serviceMonitor.enabled and prometheusRule.enabled need the Prometheus operator, which this cluster does not have: install it, or set both to false." -}}
{{- end -}}
{{- with .Values.serviceMonitor -}}
{{- if gt (include "orfeon.milliseconds" .scrapeTimeout | int64) (include "orfeon.milliseconds" .interval | int64) -}}
{{- fail "serviceMonitor.scrapeTimeout is longer than serviceMonitor.interval, which Prometheus refuses: shorten it." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dashboards.enabled (not .Values.dashboards.labels) -}}
{{- fail "dashboards.labels is empty: Grafana's sidecar finds dashboards by a label. Set it, such as {grafana_dashboard: \"1\"}." -}}
{{- end -}}
{{- end -}}
