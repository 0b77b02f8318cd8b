"""Values of the edge that contradict each other are refused with a sentence that says so."""

from typing import Any

import helm_python as helm
import pytest

from tests.contract.chart import render
from tests.contract.test_chart_edge import GATEWAY, INGRESS, TRAEFIK


def tls(**tls: Any) -> dict[str, Any]:
    return TRAEFIK | {"tls": tls}


@pytest.mark.parametrize(
    ("edge", "told"),
    [
        (TRAEFIK | {"host": ""}, "needs edge.host"),
        (TRAEFIK | {"grpcPaths": [], "grpcHost": "b.example.com"}, "empty edge.grpcHost"),
        (tls(mode="secret"), "needs edge.tls.secretName"),
        (tls(mode="certManager"), "needs edge.tls.issuerRef.name"),
        (tls(secretName="a", issuerRef={"name": "b"}), "is for edge.tls.mode certManager"),
        (tls(mode="acme"), "needs edge.tls.certResolver"),
        (
            tls(mode="certManager", issuerRef={"name": "a"}, certResolver="b"),
            "each is a certificate for the same name",
        ),
        (tls(mode="acme", certResolver="a", secretName="b"), "is not used where"),
        (tls(mode="none", secretName="b"), "is not used where"),
        (GATEWAY | {"tls": {"mode": "acme", "certResolver": "a"}}, "acme is Traefik's own"),
        (tls(mode="none"), "set edge.hsts.seconds to 0"),
        (TRAEFIK | {"hsts": {"preload": True}}, "turn preload off"),
        (TRAEFIK | {"rateLimit": {"burst": 0}}, "burst must be at least 1"),
        (TRAEFIK | {"rateLimit": {"redis": {"secretName": "a"}}}, "of which there are none"),
        (INGRESS | {"traefik": {"middlewares": [{"name": "a"}]}}, "are Traefik's"),
        (GATEWAY | {"traefik": {"streamEntryPoints": ["a"]}}, "are Traefik's"),
        (GATEWAY | {"rateLimit": {"redis": {"endpoints": ["a:1"]}}}, "are Traefik's"),
        (GATEWAY | {"gatewayApi": {}}, "needs edge.gatewayApi.parentRefs"),
        (GATEWAY | {"grpcHost": ""}, "for one host at one listener"),
        (GATEWAY | {"grpcHost": "a.example.com"}, "for one host at one listener"),
        (TRAEFIK | {"gatewayApi": {"parentRefs": [{"name": "a"}]}}, "change the provider"),
        (TRAEFIK | {"ingress": {"className": "a"}}, "change the provider"),
        (INGRESS | {"ingress": {}}, "set edge.ingress.grpcAnnotations"),
    ],
)
def test_what_cannot_work_fails_with_a_sentence(edge: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render({"edge": edge})


def test_tls_has_one_end() -> None:
    values = {"edge": TRAEFIK, "gateway": {"grpc": {"tlsSecretName": "a"}}}
    with pytest.raises(helm.HelmRenderError, match="exclude one another"):
        render(values)
    render(values | {"edge": TRAEFIK | {"grpcPaths": []}})


@pytest.mark.parametrize(
    ("edge", "told"),
    [
        ({"provider": "nginx"}, "provider"),
        ({"host": "a`) || Host(`b"}, "host"),
        ({"host": "a..example.com"}, "host"),
        ({"paths": []}, "paths"),
        ({"paths": ["/v1`) || Path(`/metrics"]}, "paths"),
        ({"grpcPaths": ["orfeon.api."]}, "grpcPaths"),
        ({"identityHeaders": []}, "identityHeaders"),
        ({"identityHeaders": [f"X-{number}" for number in range(17)]}, "identityHeaders"),
        ({"identityHeaders": ["X-A: b"]}, "identityHeaders"),
        ({"tls": {"minVersion": "1.1"}}, "minVersion"),
        ({"tls": {"curves": ["P-256"]}}, "curves"),
        ({"rateLimit": {"period": "1 minute"}}, "period"),
        ({"rateLimit": {"redis": {"endpoints": ["redis://a:1"]}}}, "endpoints"),
        ({"source": {"ipv6Prefix": 0}}, "ipv6Prefix"),
        ({"traefik": {"entryPoints": []}}, "entryPoints"),
        ({"traefik": {"strategy": "hrw"}}, "strategy"),
        ({"gatewayApi": {"requestTimeout": "forever"}}, "requestTimeout"),
        ({"identityHeaders": ["Authorization"]}, "identityHeaders/0"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(edge: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmValuesError, match=told):
        render({"edge": edge})
