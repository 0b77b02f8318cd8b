"""Values that cannot work are refused with a sentence that says what to change."""

import json
from typing import Any, get_args

import helm_python as helm
import pytest
import yaml

from gateway.settings import Capability
from tests.contract.chart import CAPABILITIES, CHART, render


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gatway": {}}, "gatway"),
        ({"gateway": {"replica": 2}}, "replica"),
        ({"capabilities": {"chat": {"image": {"name": "x"}}}}, "name"),
        ({"capabilities": {"Chat": {}}}, "Chat"),
        ({"capabilities": {"chta": {"enabled": False}}}, "chta"),
        ({"image": {"registry": "https://registry.example.com"}}, "registry"),
        ({"image": {"registry": "registry.example.com/Orfeon"}}, "registry"),
        ({"logLevel": "LOUD"}, "logLevel"),
        ({"capabilities": {"chat": {"engine": "vllm"}}}, "engine"),
        ({"arbiter": None}, "arbiter"),
        ({"clusterDomain": "a: b"}, "clusterDomain"),
        ({"gateway": {"drainSeconds": 1000000}}, "drainSeconds"),
        ({"gateway": {"image": {"digest": "sha256:short"}}}, "digest"),
        ({"gateway": {"env": {"SOME_PASSWORD": "x"}}}, "SOME_PASSWORD"),
        ({"gateway": {"env": {"ORFEON_GATEWAY_DATABASE_URL": "x"}}}, "DATABASE_URL"),
        ({"gateway": {"secretEnv": {"SOME_TOKEN": "x"}}}, "SOME_TOKEN"),
        ({"capabilityDefaults": {"slots": 0}}, "slots"),
        ({"triton": {"models": ["no-such thing"]}}, "models"),
        ({"triton": {"capabilities": {"emotion": {"memory": "2Gi"}}}}, "memory"),
        ({"gateway": {"grpc": {"port": 1}}}, "port"),
        ({"arbiter": {"budgets": {"gpu": 1}}}, "gpu"),
        ({"arbiter": {"budgets": {"cpu": "2Gi"}}}, "budgets"),
    ],
)
def test_a_value_that_does_not_exist_or_fit_is_refused_by_name(
    values: dict[str, Any], told: str
) -> None:
    with pytest.raises(helm.HelmValuesError, match=told):
        render(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gateway": {"replicas": 2}}, "needs gateway.database.secretName"),
        (
            {"capabilities": {name: {"enabled": False} for name in CAPABILITIES}},
            "No capability is on",
        ),
        (
            {"capabilities": {"chat": {"image": {"repository": ""}}}},
            "capabilities.chat.image.repository is empty",
        ),
        ({"capabilities": {"chat": {"service": ""}}}, "capabilities.chat.service is empty"),
        (
            {"capabilities": {"chat": {"env": {"ORFEON_CHAT_SLOTS": "4"}}}},
            "ORFEON_CHAT_SLOTS is set twice",
        ),
        ({"capabilities": {"emotion": {"engine": "triton"}}}, "set triton.enabled"),
        (
            {"triton": {"enabled": True}, "capabilities": {"chat": {"engine": "triton"}}},
            "capabilities.chat.engine is triton, where no model of it can compute",
        ),
        ({"arbiter": {"enabled": True}}, "divides the memory of GPUs, and gpu.profile is cpu"),
        ({"gpu": {"resourceClaimTemplate": "a"}}, "names a GPU, and gpu.profile is cpu"),
        (
            {
                "gpu": {"profile": "shared"},
                "arbiter": {"resources": {"limits": {"memory": "1Gi"}}},
            },
            "would take its own limit for it",
        ),
        ({"gateway": {"service": {"port": 443, "grpcPort": 443}}}, "are the same"),
        ({"triton": {"capabilities": {"choir": {}}}}, "choir is no capability"),
        ({"gateway": {"env": {"ORFEON_GATEWAY_PORT": "1"}}}, "ORFEON_GATEWAY_PORT is set twice"),
    ],
)
def test_an_impossible_combination_fails_with_a_sentence(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


def test_what_a_capability_may_be_called_is_what_the_gateway_knows() -> None:
    """Another name would keep the gateway from starting."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    pattern = schema["properties"]["capabilities"]["propertyNames"]["pattern"]
    assert pattern == f"^({'|'.join(sorted(get_args(Capability)))})$"
    assert sorted(CAPABILITIES) == sorted(get_args(Capability))


def _leaves(schema: dict[str, Any], root: dict[str, Any], path: str = "") -> set[str]:
    """The paths of all keys that the schema knows by name."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    found = set()
    for name, below in schema.get("properties", {}).items():
        # Those that there were are known only to be refused: test_chart_upgrades.py.
        if not below.get("deprecated"):
            found |= {f"{path}{name}"} | _leaves(below, root, f"{path}{name}.")
    return found


def _keys(values: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for name, below in values.items():
        found.add(f"{path}{name}")
        if isinstance(below, dict):
            found |= _keys(below, f"{path}{name}.")
    return found


def test_values_and_schema_know_the_same_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    del values["capabilities"]
    known = {key for key in _leaves(schema, schema) if key not in ("global", "capabilities")}
    # A capability's service has no default; the rest of what the schema knows is in values.yaml.
    assert known - _keys(values) <= {
        "capabilityDefaults.service",
        *(
            f"{each}.resources.{part}"
            for each in ("capabilityDefaults",)
            for part in ("requests", "limits")
        ),
    }
