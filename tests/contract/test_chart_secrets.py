"""What the chart asks of a cluster as it renders: Secrets that are there, and those that lack."""

from collections.abc import Iterator
from typing import Any

import helm_python as helm
import pytest
import yaml

from tests.contract.chart import ALL_ON, render
from tests.contract.cluster import Cluster, running


@pytest.fixture(scope="module")
def started() -> Iterator[Cluster]:
    with running() as cluster:
        yield cluster


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    started.secrets = {}
    return started


def bundled(rendered: dict[str, str]) -> dict[str, dict[str, str]]:
    """The Secrets that the chart makes, by name."""
    documents = yaml.safe_load_all(rendered["orfeon/templates/bundled-secrets.yaml"])
    return {each["metadata"]["name"]: each["stringData"] for each in documents if each}


BUNDLED = {"postgresql": {"bundled": True}, "redis": {"bundled": True}}


def test_a_password_that_the_cluster_has_stays(cluster: Cluster) -> None:
    first = bundled(cluster.render(BUNDLED))
    cluster.secrets = first
    assert bundled(cluster.render(BUNDLED)) == first
    name, password = "prod-orfeon-postgresql", first["prod-orfeon-postgresql"]["password"]
    assert len(password) == 32
    assert first[name]["url"] == f"postgresql://orfeon:{password}@{name}:5432/orfeon"
    cluster.secrets = {}
    assert bundled(cluster.render(BUNDLED))[name]["password"] != password


def test_secrets_that_are_there_are_let_through(cluster: Cluster) -> None:
    cluster.secrets = {"db": {"url": "a"}, "cache": {"url": "b"}, "registry": {}}
    values = {
        "image": {"pullSecrets": ["registry"]},
        "gateway": {"database": {"secretName": "db"}},
        "redis": {"external": {"secretName": "cache"}},
        # cert-manager may make it later.
        "edge": {
            "provider": "traefik",
            "host": "a.example.com",
            "tls": {"mode": "secret", "secretName": "later"},
        },
    }
    assert cluster.render(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"gateway": {"database": {"secretName": "db"}}},
            "gateway.database names the secret db, which the namespace ai does not have",
        ),
        ({"redis": {"external": {"secretName": "no"}}}, "redis.external names the secret no"),
        ({"image": {"pullSecrets": ["no"]}}, "image.pullSecrets names the secret no"),
        (
            {
                "gateway": {"oidc": {"issuer": "https://a.example.org", "audience": "a"}},
                "studio": {"oidc": {"clientId": "a", "clientSecret": {"secretName": "no"}}},
            },
            "studio.oidc.clientSecret names the secret no",
        ),
        (
            {
                "gateway": {
                    "oidc": {
                        "issuer": "https://a.example.org",
                        "audience": "a",
                        "ca": {"secretName": "cache"},
                    }
                },
            },
            "gateway.oidc.ca names the key ca.crt of the secret cache, which has only: url",
        ),
        ({"helmTest": {"secretName": "no"}}, "helmTest names the secret no"),
        (
            {
                "tracing": {
                    "enabled": True,
                    "endpoint": "http://collector:4318",
                    "headers": {"secretName": "no"},
                }
            },
            "tracing.headers names the secret no",
        ),
        (
            {"postgresql": {"bundled": True, "secretName": "cache"}},
            "postgresql names the key password of the secret cache, which has only: url",
        ),
        (
            {
                "capabilities": {
                    "song": {
                        "secretEnv": {
                            "ORFEON_SONG_DATABASE_URL": {"secretName": "no", "secretKey": "url"}
                        }
                    }
                }
            },
            "capabilities.song.secretEnv.ORFEON_SONG_DATABASE_URL names the secret no",
        ),
        (
            {"edge": {"rateLimit": {"redis": {"secretName": "no"}}}},
            "edge.rateLimit.redis names the secret no",
        ),
    ],
)
def test_a_secret_that_is_missing_is_named(
    cluster: Cluster, values: dict[str, Any], told: str
) -> None:
    cluster.secrets = {"cache": {"url": "b"}}
    with pytest.raises(helm.HelmError, match=told):
        cluster.render(values)


def test_without_a_cluster_no_secret_is_missing() -> None:
    assert render({"gateway": {"database": {"secretName": "db"}}})


WITH = "https://us:word@hub.example.com"
FETCHED = {"name": "a", "files": {"a.gguf": {"sources": [{"url": f"{WITH}/a.gguf"}]}}}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"capabilities": {"song": {"env": {"CACHE": "redis://:word@cache"}}}}, "song.env.CACHE"),
        (
            {
                "capabilities": ALL_ON["capabilities"],
                "training": {"kubernetes": {"env": {"HF_ENDPOINT": WITH}}},
            },
            "training.kubernetes.env.HF_ENDPOINT",
        ),
        ({"autoscaling": {"prometheusUrl": WITH}}, "autoscaling.prometheusUrl"),
        ({"tracing": {"endpoint": WITH}}, "tracing.endpoint"),
        (
            {
                "models": {
                    "source": "job",
                    "definitions": {"a": {"name": "a"}},
                    "hub": {"endpoint": WITH},
                }
            },
            "models.hub.endpoint",
        ),
        ({"models": {"source": "job", "definitions": {"a": FETCHED}}}, "models.definitions"),
    ],
)
def test_an_address_with_a_password_is_refused(values: dict[str, Any], path: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=f"{path} has a name or a password"):
        render(values)


def test_an_at_after_the_host_is_no_password() -> None:
    assert render({"autoscaling": {"prometheusUrl": "https://hub.example.com/a@b"}})
