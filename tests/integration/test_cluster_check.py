"""`orfeon cluster check` against a mock of Kubernetes' API, over HTTP and by its own client."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from orfeon.cli.app import app
from tests.contract import chart
from tests.fakes.clusters import HARDENED, LAPTOP, SHAPES, WHOLE, Shape, cluster, kubeconfig

HOST = "orfeon.example.com"


def asked(config: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and all that is printed."""
    result = CliRunner().invoke(
        app, ["cluster", "check", *arguments], env={"KUBECONFIG": str(config), "COLUMNS": "300"}
    )
    return result.exit_code, result.output


def found(shape: Shape, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    with cluster(shape, folder) as config:
        code, text = asked(config, "--output", "json", *arguments)
    answer: dict[str, Any] = json.loads(text)
    return code, answer


def levels(answer: dict[str, Any]) -> dict[str, str]:
    """The worst that is said of each topic."""
    order = ["ok", "hint", "unknown", "missing"]
    worst: dict[str, str] = {}
    for each in answer["findings"]:
        now = worst.get(each["topic"], "ok")
        worst[each["topic"]] = max(now, each["level"], key=order.index)
    return worst


def test_a_laptop_computes_on_its_cpu(tmp_path: Path) -> None:
    code, answer = found(LAPTOP, tmp_path)
    assert code == 0
    assert answer["values"] == {"gpu": {"profile": "cpu"}}
    assert levels(answer) == {
        "version": "ok", "nodes": "ok", "disks": "hint", "namespace": "hint", "network": "hint",
        "GPUs": "ok", "edge": "hint", "monitoring": "hint", "autoscaling": "hint",
    }  # fmt: skip


def test_whole_gpus_go_to_as_many_as_there_is_place_for(tmp_path: Path) -> None:
    code, answer = found(WHOLE, tmp_path, "--host", HOST)
    values = answer["values"]
    assert values["gpu"] == {
        "profile": "whole",
        "whole": {"resource": "nvidia.com/gpu"},
        "runtimeClassName": "nvidia",
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "team", "operator": "Exists", "effect": "NoSchedule"},
        ],
    }
    off = {"gpu": {"enabled": False}}
    assert values["capabilities"] == {"melody": off, "emotion": off, "images": off}
    assert values["edge"] == {
        "provider": "traefik",
        "host": HOST,
        "tls": {"mode": "certManager", "issuerRef": {"name": "letsencrypt"}},
    }
    assert values["serviceMonitor"] == {"enabled": True, "labels": {"release": "kps"}}
    assert values["prometheusRule"] == {"enabled": True, "labels": {"role": "alerts"}}
    name = "kubernetes.io/metadata.name"
    assert values["networkPolicy"] == {
        "clients": [{"namespaceSelector": {"matchLabels": {name: "edge"}}}],
        "monitoring": [{"namespaceSelector": {"matchLabels": {name: "observability"}}}],
    }
    assert "observability" in values["autoscaling"]["prometheusUrl"]
    assert (code, levels(answer)["GPUs"]) == (0, "ok")


def test_slices_without_labels_need_no_selector(tmp_path: Path) -> None:
    code, answer = found(SHAPES["mig"], tmp_path)
    gpu = answer["values"]["gpu"]
    assert code == 0
    assert (gpu["profile"], gpu["mig"]) == ("mig", {"resource": "nvidia.com/mig-1g.10gb"})
    assert gpu["nodeSelector"] == {"nvidia.com/gpu.present": None}
    assert "capabilities" not in answer["values"]


def test_time_slices_are_shared_though_they_are_called_as_whole_gpus_are(tmp_path: Path) -> None:
    code, answer = found(SHAPES["shared"], tmp_path, "--host", HOST)
    values = answer["values"]
    assert code == 0
    assert values["gpu"] == {
        "profile": "shared", "shared": {"resource": "nvidia.com/gpu", "replicas": 8}
    }  # fmt: skip
    assert values["edge"]["gatewayApi"]["parentRefs"] == [
        {"name": "public", "namespace": "gateways"}
    ]
    assert values["gateway"]["persistence"] == {"storageClass": "longhorn"}
    assert levels(answer)["runtime class"] == "hint"


def test_what_may_not_be_seen_is_unknown_and_not_missing(tmp_path: Path) -> None:
    code, answer = found(HARDENED, tmp_path)
    assert (code, answer["values"], answer["nodes"]) == (0, {}, None)
    assert {topic for topic, level in levels(answer).items() if level == "unknown"} == {
        "nodes", "GPUs", "disks", "network"
    }  # fmt: skip
    said = {each["topic"]: each["message"] for each in answer["findings"]}
    assert "gpu.profile" in said["GPUs"]
    assert "restricted" in said["namespace"]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_what_is_written_is_taken_by_the_chart(name: str, tmp_path: Path) -> None:
    written = tmp_path / "values.yaml"
    with cluster(SHAPES[name], tmp_path) as config:
        _, text = asked(config, "--write", str(written), "--host", HOST)
    values = yaml.safe_load(written.read_text("utf-8"))
    assert f"Values, in {written}" in text
    rendered = chart.objects(values)
    assert rendered
    if name == "mig":
        chat = chart.pod(chart.of_kind(values, "Deployment")["chat"])
        assert "nvidia.com/gpu.present" not in chat.get("nodeSelector", {})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"gpu": {"profile": "mig"}}, "no nvidia.com/mig-1g.10gb is free"),
        (
            {
                "gpu": {"profile": "whole"},
                "capabilities": {"images": {"replicas": 9, "gpu": {"enabled": True}}},
            },
            "pods want",
        ),
        ({"gpu": {"runtimeClassName": "runc"}}, "gpu.runtimeClassName is runc"),
        ({"gateway": {"database": {"secretName": "db"}}}, "gateway.database.secretName names"),
        ({"capabilities": {"chat": {"gpu": {"resource": "nvidia.com/mig-9"}}}}, "no node offers"),
        ({"image": {"pullSecrets": ["reg"]}}, "the secret reg"),
        ({"serviceMonitor": {"enabled": True, "labels": {"release": "x"}}}, "selects by"),
        ({"edge": {"provider": "gatewayApi", "host": HOST}}, "does not know gateway.networking"),
        (
            {
                "edge": {
                    "provider": "traefik",
                    "host": HOST,
                    "tls": {"mode": "certManager", "issuerRef": {"name": "own"}},
                }
            },
            "ready are: letsencrypt",
        ),
        ({"edge": {"provider": "traefik"}}, "give --host"),
        (
            {
                "edge": {
                    "provider": "traefik",
                    "host": HOST,
                    "tls": {"mode": "acme", "certResolver": "other"},
                }
            },
            "it has: letsencrypt",
        ),
        ({"edge": {"tls": {"secretName": "cert"}}, "gpu": {"profile": ["whole"]}}, "secret cert"),
        ({"gateway": {"persistence": {"storageClass": "gold"}}}, "which the cluster does not"),
    ],
)
def test_values_that_the_cluster_cannot_meet(
    given: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(json.dumps(given), "utf-8")
    code, answer = found(WHOLE, tmp_path, "--values", str(path))
    missing = [each["message"] for each in answer["findings"] if each["level"] == "missing"]
    assert code == 1
    assert any(sentence in each for each in missing), missing


def test_an_old_cluster_is_told_to_be_upgraded(tmp_path: Path) -> None:
    code, answer = found(Shape(LAPTOP.objects, version="v1.29.9+k3s1"), tmp_path)
    assert code == 1
    assert levels(answer)["version"] == "missing"
    assert levels(answer)["network"] == "ok"


def test_a_secret_is_looked_for_and_never_read(tmp_path: Path) -> None:
    path = tmp_path / "given.yaml"
    path.write_text("gateway: {database: {secretName: db}}", "utf-8")
    secret = {"metadata": {"name": "db", "namespace": "orfeon"}, "data": {"url": "c2VjcmV0"}}
    shape = Shape({**LAPTOP.objects, "v1/secrets": [secret]})
    code, answer = found(shape, tmp_path, "--values", str(path))
    assert (code, levels(answer)["secrets"]) == (0, "ok")
    assert "c2VjcmV0" not in json.dumps(answer)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    code, text = asked(kubeconfig(tmp_path, "http://127.0.0.1:9"))
    assert code == 2
    assert "cannot be reached at http://127.0.0.1:9" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (401, "log in again"),
        (403, "may see nothing"),
        (b"<html>", "not as Kubernetes does"),
        (500, "answers 500"),
    ],
)
def test_a_server_that_answers_otherwise(answer: object, sentence: str, tmp_path: Path) -> None:
    with cluster(Shape(version="", answer=answer), tmp_path) as config:
        code, text = asked(config)
    assert (code, sentence in text) == (2, True), text


@pytest.mark.parametrize(
    "text",
    ["", "{", "clusters: 7", "contexts: []", "apiVersion: v1\ncurrent-context: gone\n", "\0"],
)
def test_a_broken_kubeconfig(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, "utf-8")
    code, said = asked(path)
    assert (code, "kubeconfig" in said) == (2, True), said


def test_no_kubeconfig_and_no_such_context(tmp_path: Path) -> None:
    assert asked(tmp_path / "none")[0] == 2
    code, said = asked(kubeconfig(tmp_path, "http://127.0.0.1:9"), "--context", "here")
    assert (code, "no context here; it has there" in said) == (2, True), said


def test_a_machine_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    code, said = asked(kubeconfig(tmp_path, "http://127.0.0.1:9"))
    assert (code, "pip install 'orfeon[cluster]'" in said) == (2, True), said


def test_values_that_are_none_and_files_that_are_there(tmp_path: Path) -> None:
    broken = tmp_path / "values.yaml"
    broken.write_text("a: [", "utf-8")
    config = kubeconfig(tmp_path, "http://127.0.0.1:9")
    assert "is no YAML" in asked(config, "--values", str(broken))[1]
    assert "is there already" in asked(config, "--write", str(broken))[1]
    assert "cannot be read" in asked(config, "--values", str(tmp_path))[1]
    assert broken.read_text("utf-8") == "a: ["
