"""What the chart makes of Studio: its process, the way to it, and what it may reach."""

from typing import Any

import helm_python as helm
import pytest

from services.studio.settings import StudioSettings
from services.studio.studio import BASE
from tests.contract.chart import (
    EVERY_FLAVOUR,
    Object,
    container,
    environment,
    objects,
    of_kind,
    pod,
    render,
    settings_of,
    values_of,
    variables_of,
)
from tests.contract.network import Network
from tests.contract.test_chart_edge import GATEWAY, INGRESS, TRAEFIK, specs

OIDC = {
    "gateway": {"oidc": {"issuer": "https://login.example.org", "audience": "orfeon"}},
    "studio": {"oidc": {"clientId": "studio"}},
}
PREFIX = "ORFEON_STUDIO_"


def told(values: dict[str, Any]) -> dict[str, str]:
    return environment(of_kind(values, "Deployment")["studio"])


def route(edge: dict[str, Any], **studio: Any) -> Object:
    """The one of Traefik that leads to Studio."""
    values = {"edge": edge, "studio": studio}
    rules = of_kind(values, "IngressRoute")["gateway"]["spec"]["routes"]
    found: Object
    [found] = [each for each in rules if each["services"][0]["name"] == "prod-orfeon-studio"]
    return found


@EVERY_FLAVOUR
def test_each_variable_is_one_of_its_settings(flavour: str) -> None:
    known = variables_of(settings_of("services.studio.settings")) | {"ORFEON_HOME"}
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        if name == "studio":
            assert {each["name"] for each in container(deployment)["env"]} <= known


def test_what_the_chart_takes_for_granted_the_settings_do_too() -> None:
    said = told({})
    fields = StudioSettings.model_fields
    for name in ("session_hours", "max_upload_bytes", "drain_seconds"):
        assert float(said[PREFIX + name.upper()]) == fields[name].default
    assert told(OIDC)[f"{PREFIX}OIDC_SCOPES"] == fields["oidc_scopes"].default


def test_it_calls_the_gateway_at_its_service_as_the_policies_allow() -> None:
    values = {"gateway": {"service": {"port": 8080}}}
    gateway = "http://prod-orfeon-gateway.ai.svc.cluster.local:8080"
    assert told(values)[f"{PREFIX}GATEWAY_URL"] == gateway
    network = Network({})
    assert network.lets("studio", "gateway", 8000)
    assert not network.lets("studio", "chat", 50051)
    assert not network.lets("gateway", "studio", 7860)
    assert network.outside("studio", "egress") == []


def test_it_is_told_how_browsers_call_it() -> None:
    assert f"{PREFIX}PUBLIC_URL" not in told({})
    assert told({"edge": TRAEFIK})[f"{PREFIX}PUBLIC_URL"] == "https://a.example.com"
    own = {"edge": TRAEFIK, "studio": {"env": {f"{PREFIX}PUBLIC_URL": "https://b.example.com"}}}
    assert told(own)[f"{PREFIX}PUBLIC_URL"] == "https://b.example.com"


def test_it_writes_nowhere_but_to_volumes_that_are_bounded() -> None:
    deployment = of_kind({}, "Deployment")["studio"]
    assert container(deployment)["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {each["name"]: each["emptyDir"] for each in pod(deployment)["volumes"]}
    assert all("sizeLimit" in each for each in volumes.values())
    places = {each["mountPath"] for each in container(deployment)["volumeMounts"]}
    assert places == {"/tmp", told({})["ORFEON_HOME"]}


def test_a_client_secret_comes_by_reference_and_the_provider_is_the_gateways() -> None:
    said = told(OIDC)
    assert said[f"{PREFIX}OIDC_ISSUER"] == "https://login.example.org"
    assert said[f"{PREFIX}OIDC_CLIENT_ID"] == "studio"
    assert f"{PREFIX}OIDC_CLIENT_SECRET" not in said
    assert not [name for name in told({}) if "OIDC" in name]

    secret = {"clientId": "studio", "clientSecret": {"secretName": "login"}}
    deployment = of_kind(OIDC | {"studio": {"oidc": secret}}, "Deployment")["studio"]
    [reference] = [
        each["valueFrom"]["secretKeyRef"]
        for each in container(deployment)["env"]
        if each["name"] == f"{PREFIX}OIDC_CLIENT_SECRET"
    ]
    assert reference == {"name": "login", "key": "client-secret"}


def test_it_reaches_the_provider_where_people_sign_in_there() -> None:
    policy = {"networkPolicy": {"oidc": {"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}]}}}
    [rule] = Network(OIDC | policy).outside("studio", "egress")
    assert rule == {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"port": 443, "protocol": "TCP"}],
    }


def test_traefik_leads_there_with_limits_of_its_own_and_leaves_its_policy_alone() -> None:
    found = route(TRAEFIK)
    assert found["match"] == (
        f"Host(`a.example.com`) && (Path(`/`) || Path(`{BASE}`) || PathPrefix(`{BASE}/`))"
    )
    names = {each["name"].removeprefix("prod-orfeon-edge-") for each in found["middlewares"]}
    assert names == {"studio-headers", "studio-rate", "studio-in-flight", "identity", "redial"}
    made = specs(TRAEFIK, "Middleware")
    headers = made["prod-orfeon-edge-studio-headers"]["headers"]
    assert headers == {"customResponseHeaders": {"Strict-Transport-Security": "max-age=31536000"}}
    # A page is made of up to a hundred files, which a browser asks for at once.
    rate = made["prod-orfeon-edge-studio-rate"]["rateLimit"]
    assert rate["burst"] > 3 * 100
    assert "sticky" not in found["services"][0]


def test_with_several_pods_a_browser_finds_its_own_again() -> None:
    [service] = route(TRAEFIK, replicas=2)["services"]
    assert service["sticky"]["cookie"] == {
        "name": "orfeon_studio_pod",
        "path": BASE,
        "httpOnly": True,
        "secure": True,
        "sameSite": "lax",
    }
    plain = TRAEFIK | {"tls": {"mode": "none"}, "hsts": {"seconds": 0}}
    [service] = route(plain, replicas=2)["services"]
    assert service["sticky"]["cookie"]["secure"] is False


def test_an_ingress_of_its_own_may_have_annotations_of_its_own() -> None:
    annotations = INGRESS["ingress"] | {"studioAnnotations": {"affinity": "cookie"}}
    edge = INGRESS | {"annotations": {"all": "yes"}, "ingress": annotations}
    ingress = of_kind({"edge": edge, "studio": {"replicas": 2}}, "Ingress")["studio"]
    assert ingress["metadata"]["annotations"] == {"all": "yes", "affinity": "cookie"}
    [rule] = ingress["spec"]["rules"]
    paths = {each["path"]: each["pathType"] for each in rule["http"]["paths"]}
    assert paths == {BASE: "Prefix", "/": "Exact"}
    backends = {each["backend"]["service"]["name"] for each in rule["http"]["paths"]}
    assert backends == {"prod-orfeon-studio"}


def test_a_gateway_leads_there_without_a_deadline_for_streams() -> None:
    spec = specs(GATEWAY, "HTTPRoute")["prod-orfeon-studio"]
    assert spec["hostnames"] == ["a.example.com"]
    [rule] = spec["rules"]
    assert [each["path"] for each in rule["matches"]] == [
        {"type": "Exact", "value": "/"},
        {"type": "PathPrefix", "value": BASE},
    ]
    assert rule["timeouts"] == {"request": "0s"}
    assert rule["backendRefs"] == [{"name": "prod-orfeon-studio", "port": 80}]
    assert "Content-Security-Policy" not in str(rule["filters"])


@pytest.mark.parametrize("edge", [TRAEFIK, INGRESS, GATEWAY], ids=lambda edge: edge["provider"])
def test_nothing_is_left_of_it_where_it_is_off(edge: dict[str, Any]) -> None:
    values = {"edge": edge, "studio": {"enabled": False}, "serviceMonitor": {"enabled": True}}
    left = [each for each in objects(values) if "studio" in str(each).lower()]
    assert left == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"studio": {"oidc": {"clientId": "a"}}}, "needs gateway.oidc.issuer"),
        (
            {"studio": {"oidc": {"clientSecret": {"secretName": "a"}}}},
            "is the secret of studio.oidc.clientId",
        ),
        (
            {"studio": {"maxUploadBytes": 2 * 2**30, "scratch": {"sizeLimit": "1Gi"}}},
            "the pod would be evicted",
        ),
        ({"edge": INGRESS, "studio": {"replicas": 2}}, "by edge.ingress.studioAnnotations"),
        ({"studio": {"drainSeconds": 61}}, "studio.drainSeconds is above gateway.drainSeconds"),
        (
            {"edge": TRAEFIK | {"studio": {"rateLimit": {"burst": 0}}}},
            r": edge\.studio\.rateLimit\.burst must .* where edge\.studio\.rateLimit\.average ",
        ),
        (
            {"edge": TRAEFIK | {"ingress": {"studioAnnotations": {"a": "b"}}}},
            "belongs to edge.provider ingress",
        ),
        ({"studio": {"env": {f"{PREFIX}PORT": "1"}}}, f"{PREFIX}PORT is set twice"),
        ({"studio": {"resources": {"requests": {"memory": "2Gi"}}}}, "studio.resources.requests"),
    ],
)
def test_what_cannot_work_fails_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=sentence):
        render(values)


@pytest.mark.parametrize(
    ("studio", "key"),
    [
        ({"sessionHours": 0}, "sessionHours"),
        ({"maxUploadBytes": "100M"}, "maxUploadBytes"),
        ({"oidc": {"scopes": "profile"}}, "scopes"),
        ({"oidc": {"clientSecret": "very secret"}}, "clientSecret"),
        ({"env": {f"{PREFIX}OIDC_CLIENT_SECRET": "very secret"}}, "CLIENT_SECRET"),
        ({"oidc": {"issuer": "https://login.example.org"}}, "issuer"),
    ],
)
def test_what_is_no_value_is_refused_by_name(studio: dict[str, Any], key: str) -> None:
    with pytest.raises(helm.HelmError, match=key):
        render({"studio": studio})
