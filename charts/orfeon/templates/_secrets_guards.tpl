{{/* Secrets that the values name and the namespace does not have: their pods would wait without a word. Asks the cluster,
     so `helm template`, which has none, is let through. Takes the root. */}}
{{- define "orfeon.guards.secrets" -}}
{{- $found := lookup "v1" "Secret" (include "orfeon.namespace" .) "" -}}
{{- if hasKey $found "items" -}}
{{- $there := dict -}}
{{- range $found.items -}}{{- $_ := set $there .metadata.name (.data | default dict) -}}{{- end -}}
{{- range include "orfeon.secretsNamed" . | fromYamlArray -}}
{{- if not (hasKey $there .name) -}}
{{- fail (printf "%s names the secret %s, which the namespace %s does not have: make it first, or correct the name." .path .name (include "orfeon.namespace" $)) -}}
{{- end -}}
{{- $data := index $there .name -}}
{{- if and .key (not (hasKey $data .key)) -}}
{{- fail (printf "%s names the key %s of the secret %s, which has only: %s. Correct the key, or add it to the secret." .path .key .name (keys $data | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Which those are, as YAML: {path, name, key}. Certificates are left out: cert-manager may make them later.
     Takes the root. */}}
{{- define "orfeon.secretsNamed" -}}
{{- $named := list -}}
{{- range .Values.image.pullSecrets -}}
{{- $named = append $named (dict "path" "image.pullSecrets" "name" .) -}}
{{- end -}}
{{- with .Values.gateway.database -}}
{{- $named = append $named (dict "path" "gateway.database" "name" .secretName "key" .secretKey) -}}
{{- end -}}
{{- with .Values.redis.external -}}
{{- $named = append $named (dict "path" "redis.external" "name" .secretName "key" .secretKey) -}}
{{- end -}}
{{- with .Values.edge.rateLimit.redis -}}
{{- $named = append $named (dict "path" "edge.rateLimit.redis" "name" .secretName) -}}
{{- end -}}
{{- with .Values.gateway.oidc.ca -}}
{{- $named = append $named (dict "path" "gateway.oidc.ca" "name" .secretName "key" .key) -}}
{{- end -}}
{{- with .Values.studio.oidc.clientSecret -}}
{{- $named = append $named (dict "path" "studio.oidc.clientSecret" "name" .secretName "key" .secretKey) -}}
{{- end -}}
{{- with .Values.helmTest -}}
{{- $named = append $named (dict "path" "helmTest" "name" .secretName "key" .secretKey) -}}
{{- end -}}
{{- with .Values.models.hub -}}
{{- $named = append $named (dict "path" "models.hub" "name" .tokenSecretName "key" .tokenSecretKey) -}}
{{- end -}}
{{- with .Values.tracing.headers -}}
{{- $named = append $named (dict "path" "tracing.headers" "name" .secretName "key" .secretKey) -}}
{{- end -}}
{{- range $name := list "postgresql" "redis" -}}
{{- range $key := list "password" "url" -}}
{{- with index $.Values $name -}}
{{- if .bundled -}}{{- $named = append $named (dict "path" $name "name" .secretName "key" $key) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $path, $pod := include "orfeon.componentValues" . | fromYaml -}}
{{- range $variable, $ref := $pod.secretEnv -}}
{{- $named = append $named (dict "path" (printf "%s.secretEnv.%s" $path $variable) "name" $ref.secretName "key" $ref.secretKey) -}}
{{- end -}}
{{- end -}}
{{- $given := list -}}
{{- range $named -}}{{- if .name -}}{{- $given = append $given . -}}{{- end -}}{{- end -}}
{{- toYaml $given -}}
{{- end -}}
