{{/* Weights that nobody could bring. Takes the root. */}}
{{- define "orfeon.guards.weights" -}}
{{- $models := .Values.models -}}
{{- $source := $models.source -}}
{{- $fetches := has $source (list "job" "init") -}}
{{- if and $models.offline $fetches -}}
{{- fail (printf "models.offline and models.source %s exclude one another: fetching needs a network. Set models.source to package, claim or image." $source) -}}
{{- end -}}
{{- if and $fetches (not $models.definitions) -}}
{{- fail (printf "models.source %s fetches what models.definitions names, which is empty: name a model, or set models.source to package." $source) -}}
{{- end -}}
{{- if and $models.definitions (not $fetches) -}}
{{- fail (printf "models.definitions are fetched by models.source job or init, not by %s: set one of the two, or empty them." $source) -}}
{{- end -}}
{{- range $name, $definition := $models.definitions -}}
{{- if ne $name (replace "/" "--" (toString $definition.name)) -}}
{{- fail (printf "models.definitions.%s is called %s in it: the key is the model's name, with -- for each /." $name (toString $definition.name)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $source "claim") (not $models.claim.existingClaim) -}}
{{- fail "models.source claim needs models.claim.existingClaim, the claim that holds them; job makes one and fills it." -}}
{{- end -}}
{{- if and $models.claim.existingClaim (not (has $source (list "claim" "job"))) -}}
{{- fail (printf "models.claim.existingClaim is for models.source claim or job, not for %s: set one of the two, or empty it." $source) -}}
{{- end -}}
{{- if and (or $models.hub.endpoint $models.hub.tokenSecretName) (not $fetches) -}}
{{- fail (printf "models.hub is for models.source job or init, and %s asks no hub: empty it." $source) -}}
{{- end -}}
{{- if and (eq $source "image") (not $models.image.reference) -}}
{{- fail "models.source image needs models.image.reference, the image that holds them." -}}
{{- end -}}
{{- if and $models.image.reference (ne $source "image") -}}
{{- fail (printf "models.image.reference is for models.source image, not for %s: set that, or empty it." $source) -}}
{{- end -}}
{{- if eq $source "image" -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- if not (semverCompare ">=1.33.0-0" $version) -}}
{{- fail (printf "models.source image needs Kubernetes 1.33, and this is %s: set models.source to claim." $version) -}}
{{- end -}}
{{- if not (or (semverCompare ">=1.35.0-0" $version) $models.image.featureGate) -}}
{{- fail (printf "models.source image needs the feature gate ImageVolume, which is off by default in %s: turn it on there and say so by models.image.featureGate." $version) -}}
{{- end -}}
{{- end -}}
{{- end -}}
