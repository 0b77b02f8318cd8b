{{/* Claims of the chart's whose values have changed in a way that Kubernetes refuses, in its own words, in the middle of an
     upgrade. Asks the cluster only for those that the chart makes; `helm template`, which has none, is let through.
     Takes the root. */}}
{{- define "orfeon.guards.claims" -}}
{{- range include "orfeon.claimsMade" . | fromYamlArray -}}
{{- $found := lookup "v1" "PersistentVolumeClaim" (include "orfeon.namespace" $) .name -}}
{{- if $found.spec -}}
{{- $has := $found.spec -}}
{{- $keep := printf "Set it back, or copy what is on the claim %s to %s" .name .instead -}}
{{- if and .storageClass (ne .storageClass ($has.storageClassName | default "")) -}}
{{- fail (printf "%s.storageClass is %s, but the claim has %s, which cannot be changed. %s." .path .storageClass ($has.storageClassName | default "none") $keep) -}}
{{- end -}}
{{- if lt (include "orfeon.amount" .size | float64) (include "orfeon.amount" $has.resources.requests.storage | float64) -}}
{{- fail (printf "%s.size is %v, but the claim has %v, and can only grow. %s." .path .size $has.resources.requests.storage $keep) -}}
{{- end -}}
{{- if ne (.accessModes | toJson) ($has.accessModes | toJson) -}}
{{- fail (printf "%s.accessModes is %s, but the claim has %s, which cannot be changed. %s." .path (join ", " .accessModes) (join ", " $has.accessModes) $keep) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Which those are, as YAML. Takes the root. */}}
{{- define "orfeon.claimsMade" -}}
{{- $made := list -}}
{{- $name := include "orfeon.fullname" . -}}
{{- $once := list "ReadWriteOnce" -}}
{{- with .Values.gateway.persistence -}}
{{- if and (include "orfeon.gatewayClaim" $) (not .existingClaim) -}}
{{- $made = append $made (dict "path" "gateway.persistence" "name" (print $name "-gateway") "storageClass" .storageClass "size" .size "accessModes" $once "instead" "one of yours and name that in gateway.persistence.existingClaim") -}}
{{- end -}}
{{- end -}}
{{- with .Values.models -}}
{{- if and (eq .source "job") (not .claim.existingClaim) -}}
{{- $made = append $made (dict "path" "models.claim" "name" (print $name "-weights") "storageClass" .claim.storageClass "size" .claim.size "accessModes" .claim.accessModes "instead" "one of yours and name that in models.claim.existingClaim") -}}
{{- end -}}
{{- end -}}
{{- with .Values.postgresql -}}
{{- if .bundled -}}
{{- $made = append $made (dict "path" "postgresql" "name" (print $name "-postgresql") "storageClass" .storageClass "size" .size "accessModes" $once "instead" "a PostgreSQL of yours and name that in gateway.database.secretName") -}}
{{- end -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}
