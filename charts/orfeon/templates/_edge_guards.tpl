{{/* Values of the edge that contradict each other. Who calls them is validations.yaml. */}}

{{- define "orfeon.guards.edge" -}}
{{- $edge := .Values.edge -}}
{{- if ne $edge.provider "none" -}}
{{- if not $edge.host -}}
{{- fail "edge.provider needs edge.host, the name that clients ask for." -}}
{{- end -}}
{{- if and $edge.grpcPaths .Values.gateway.grpc.tlsSecretName -}}
{{- fail "edge.grpcPaths and gateway.grpc.tlsSecretName exclude one another: the edge ends TLS itself and speaks plain HTTP/2 to the gateway. Empty one of them." -}}
{{- end -}}
{{- if and $edge.grpcHost (not $edge.grpcPaths) -}}
{{- fail "edge.grpcHost is for gRPC, and edge.grpcPaths lets none through: empty edge.grpcHost, or name paths." -}}
{{- end -}}
{{- include "orfeon.guards.edge.tls" $edge -}}
{{- include "orfeon.guards.edge.traefik" $edge -}}
{{- include "orfeon.guards.edge.others" $edge -}}
{{- end -}}
{{- end -}}

{{/* Takes .Values.edge. */}}
{{- define "orfeon.guards.edge.tls" -}}
{{- if and (eq .tls.mode "secret") (not .tls.secretName) (ne .provider "gatewayApi") -}}
{{- fail "edge.tls.mode secret needs edge.tls.secretName, a secret of type kubernetes.io/tls; or set edge.tls.mode to certManager, acme or none." -}}
{{- end -}}
{{- if and (eq .tls.mode "certManager") (not .tls.issuerRef.name) -}}
{{- fail "edge.tls.mode certManager needs edge.tls.issuerRef.name, the issuer that signs the certificate." -}}
{{- end -}}
{{- if and (ne .tls.mode "certManager") .tls.issuerRef.name -}}
{{- fail (printf "edge.tls.issuerRef.name is for edge.tls.mode certManager, and the mode is %s: change the mode, or empty the name." .tls.mode) -}}
{{- end -}}
{{- if and (eq .tls.mode "acme") (not .tls.certResolver) -}}
{{- fail "edge.tls.mode acme needs edge.tls.certResolver, a resolver that Traefik was started with." -}}
{{- end -}}
{{- if and (ne .tls.mode "acme") .tls.certResolver -}}
{{- fail (printf "edge.tls.certResolver is for edge.tls.mode acme, and the mode is %s: each is a certificate for the same name. Change the mode, or empty the resolver." .tls.mode) -}}
{{- end -}}
{{- if and .tls.secretName (has .tls.mode (list "acme" "none")) -}}
{{- fail (printf "edge.tls.secretName is not used where edge.tls.mode is %s: empty it, or set the mode to secret or certManager." .tls.mode) -}}
{{- end -}}
{{- if and (eq .tls.mode "acme") (ne .provider "traefik") -}}
{{- fail (printf "edge.tls.mode acme is Traefik's own, and edge.provider is %s: set edge.tls.mode to certManager or secret." .provider) -}}
{{- end -}}
{{- if and (eq .tls.mode "none") .hsts.seconds -}}
{{- fail "edge.hsts.seconds tells browsers to use TLS only, and edge.tls.mode is none: set edge.hsts.seconds to 0." -}}
{{- end -}}
{{- if and .hsts.preload (or (not .hsts.includeSubdomains) (lt (int .hsts.seconds) 31536000)) -}}
{{- fail "edge.hsts.preload is only taken with edge.hsts.includeSubdomains and edge.hsts.seconds of 31536000 or more: set both, or turn preload off." -}}
{{- end -}}
{{- end -}}

{{- define "orfeon.guards.edge.traefik" -}}
{{- if and .rateLimit.average (lt (int .rateLimit.burst) 1) -}}
{{- fail "edge.rateLimit.burst must be at least 1 where edge.rateLimit.average limits: with 0 nothing would get through." -}}
{{- end -}}
{{- if and .rateLimit.redis.secretName (not .rateLimit.redis.endpoints) -}}
{{- fail "edge.rateLimit.redis.secretName is the password of edge.rateLimit.redis.endpoints, of which there are none: name them, or empty it." -}}
{{- end -}}
{{- if and (ne .provider "traefik") (or .traefik.middlewares .traefik.streamEntryPoints .rateLimit.redis.endpoints) -}}
{{- fail (printf "edge.traefik.middlewares, edge.traefik.streamEntryPoints and edge.rateLimit.redis are Traefik's, and edge.provider is %s: empty them." .provider) -}}
{{- end -}}
{{- end -}}

{{- define "orfeon.guards.edge.others" -}}
{{- if and (eq .provider "gatewayApi") (not .gatewayApi.parentRefs) -}}
{{- fail "edge.provider gatewayApi needs edge.gatewayApi.parentRefs, the Gateway that the routes belong to." -}}
{{- end -}}
{{- if and (eq .provider "gatewayApi") .grpcPaths (not .gatewayApi.grpcParentRefs) (eq .host (.grpcHost | default .host)) -}}
{{- fail "edge.provider gatewayApi takes no HTTPRoute and GRPCRoute for one host at one listener: set edge.grpcHost to another host, edge.gatewayApi.grpcParentRefs to another listener, or edge.grpcPaths to []." -}}
{{- end -}}
{{- if and (ne .provider "gatewayApi") (or .gatewayApi.parentRefs .gatewayApi.grpcParentRefs) -}}
{{- fail (printf "edge.gatewayApi.parentRefs belong to edge.provider gatewayApi, and it is %s: change the provider, or empty them." .provider) -}}
{{- end -}}
{{- if and (ne .provider "ingress") (or .ingress.className .ingress.grpcAnnotations .ingress.studioAnnotations) -}}
{{- fail (printf "edge.ingress belongs to edge.provider ingress, and it is %s: change the provider, or empty it." .provider) -}}
{{- end -}}
{{- if and (eq .provider "ingress") .grpcPaths (not .annotations) (not .ingress.grpcAnnotations) -}}
{{- fail "edge.provider ingress lets gRPC through only where annotations tell the controller to speak HTTP/2 to the gateway: set edge.ingress.grpcAnnotations, or edge.grpcPaths to []." -}}
{{- end -}}
{{- end -}}
