"""Claims of the chart over an upgrade: what Kubernetes would refuse is refused before that."""

from collections.abc import Iterator
from typing import Any

import helm_python as helm
import pytest

from tests.contract.cluster import Cluster, running

DEFINITION = {"tiny": {"name": "tiny"}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """With the claims of a release, as they were made."""
    with running() as cluster:
        cluster.claims = {
            "prod-orfeon-gateway": claim("1Gi", "ReadWriteOnce"),
            "prod-orfeon-postgresql": claim("8Gi", "ReadWriteOnce"),
            "prod-orfeon-weights": claim("50Gi", "ReadWriteMany"),
        }
        yield cluster


def claim(size: str, mode: str) -> dict[str, Any]:
    return {
        "accessModes": [mode],
        "storageClassName": "standard",
        "resources": {"requests": {"storage": size}},
    }


def keys(**persistence: Any) -> dict[str, Any]:
    return {"gateway": {"persistence": persistence}}


def weights(**claim: Any) -> dict[str, Any]:
    return {"models": {"source": "job", "definitions": DEFINITION, "claim": claim}}


@pytest.mark.parametrize(
    "values",
    [
        {},
        keys(storageClass="standard", size="1Gi"),
        keys(size="2Gi"),
        keys(size="1100M"),
        keys(existingClaim="mine", size="1Mi"),
        weights(size="0.1Ti"),
        {"postgresql": {"bundled": True}},
        {"gateway": {"persistence": {"enabled": False, "size": "1Mi"}}},
    ],
)
def test_what_can_be_changed_is_let_through(cluster: Cluster, values: dict[str, Any]) -> None:
    assert cluster.render(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (keys(storageClass="fast"), "gateway.persistence.storageClass is fast, but the claim has"),
        (keys(size="1G"), "gateway.persistence.size is 1G, but the claim has 1Gi"),
        (
            {"postgresql": {"bundled": True, "size": "7Gi"}},
            "copy what is on the claim prod-orfeon-",
        ),
        (weights(size="49.9Gi"), "models.claim.size is 49.9Gi, but the claim has 50Gi"),
        (weights(accessModes=["ReadWriteOnce"]), "models.claim.accessModes is ReadWriteOnce"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    cluster: Cluster, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(helm.HelmError, match=told):
        cluster.render(values)
