"""What an installation prints: every command in it names what there is."""

import re
from typing import Any

import pytest

from tests.contract.chart import EVERY_FLAVOUR, NAMESPACE, RELEASE, objects, render, values_of

EDGE = {"provider": "traefik", "host": "orfeon.example.com"}


def notes(values: dict[str, Any]) -> str:
    return render(values)["NOTES.txt"]


def remarks(values: dict[str, Any]) -> str:
    return "\n".join(line for line in notes(values).splitlines() if line.startswith("Mind: "))


@EVERY_FLAVOUR
def test_its_commands_name_what_there_is(flavour: str) -> None:
    values = values_of(flavour)
    said = notes(values)
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects(values)}
    for line in re.findall(r"^   kubectl (.*)$", said, re.MULTILINE):
        assert line.startswith(f"--namespace {NAMESPACE} ")
    (deployment,) = re.findall(r"exec deploy/(\S+) -- orfeon keys create", said)
    assert ("Deployment", deployment) in found
    for service, port in re.findall(r"port-forward service/(\S+) \d+:(\d+)", said):
        ports = {each["port"] for each in found["Service", service]["spec"]["ports"]}
        assert int(port) in ports
    assert f"helm test {RELEASE} --namespace {NAMESPACE}" in said
    annotations = found["Pod", f"{RELEASE}-orfeon-test"]["metadata"]["annotations"]
    # A pod that is gone has no logs.
    assert "--logs" in said
    assert "succeeded" not in annotations["helm.sh/hook-delete-policy"]
    selector = f"app.kubernetes.io/instance={RELEASE}"
    assert f"--selector {selector}" in said
    capabilities = re.findall(r"^Capabilities: ([a-z, ]+)", said, re.MULTILINE)[0].strip()
    assert {name.strip() for name in capabilities.split(",")} <= {
        each["metadata"]["labels"]["app.kubernetes.io/component"]
        for each in objects(values)
        if each["kind"] == "Deployment"
    }
    assert "<no value>" not in said
    assert "%!" not in said


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "http://localhost:8000/v1/models --header"),
        (
            {"edge": {**EDGE, "tls": {"secretName": "a"}}},
            'https://orfeon.example.com/v1/models --header "Authorization: Bearer $KEY"',
        ),
        ({}, "http://localhost:7860/studio/"),
        ({"edge": {**EDGE, "tls": {"secretName": "a"}}}, "https://orfeon.example.com/studio/"),
        (
            {"gateway": {"service": {"type": "LoadBalancer", "port": 8080}}},
            "curl http://ADDRESS:8080/v1/models",
        ),
    ],
)
def test_it_says_where_to_ask(values: dict[str, Any], told: str) -> None:
    assert told in notes(values)


def test_a_gateway_that_wants_no_keys_is_asked_without() -> None:
    said = notes({"gateway": {"env": {"ORFEON_GATEWAY_REQUIRE_KEYS": "false"}}})
    assert "No key is needed" in said
    assert "keys create" not in said
    assert "Bearer" not in said


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gateway": {"persistence": {"enabled": False}}}, "Keys are not kept"),
        ({"gateway": {"persistence": {"enabled": False}}}, "helm test can make no key"),
        (
            {"gateway": {"replicas": 2, "database": {"secretName": "db"}}},
            "set redis.external.secretName",
        ),
        ({"capabilities": {"chat": {"autoscaling": {"by": "hpa"}}}}, "autoscaling goes by metrics"),
        ({"studio": {"replicas": 2}}, "has to keep each at one pod"),
        ({"postgresql": {"bundled": True}}, "postgresql.bundled is for trials"),
        ({"redis": {"bundled": True}}, "redis.bundled is for trials"),
        ({"networkPolicy": {"enabled": False}}, "every pod of the cluster may call"),
        ({"edge": {**EDGE, "tls": {"secretName": "a"}}}, "networkPolicy.clients"),
    ],
)
def test_what_one_should_know_is_said_where_it_holds(values: dict[str, Any], told: str) -> None:
    assert told in remarks(values)
    assert remarks({}) == ""
