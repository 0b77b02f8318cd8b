"""`orfeon cluster status` against a mock of Kubernetes' API, and a gateway behind a pod of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from gateway.keystore import SCOPES
from orfeon.api.queue.v1 import queue_pb2
from orfeon.cli.app import app
from tests.fakes.clusters import NAMESPACE, Object, Shape, cluster, named
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]


def asked(config: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        app,
        ["cluster", "status", *arguments],
        env={"KUBECONFIG": str(config), "ORFEON_HOME": str(config.parent)},
    )
    return result.exit_code, result.stdout if "json" in arguments else result.output


def pod(component: str, ready: bool = True, release: str = "prod", **more: Any) -> Object:
    labels = {
        "app.kubernetes.io/part-of": "orfeon",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": component,
    }
    limits = {"nvidia.com/gpu": "1"} if component == "chat" else {}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"restartCount": 2, "state": {}}],
    }
    return named(
        f"{release}-{component}-0",
        NAMESPACE,
        labels=labels,
        spec={"nodeName": "a", "containers": [{"resources": {"limits": limits}}]},
        status={**status, **more},
    )


STRANGER = named("other-0", NAMESPACE, labels={"app": "other"}, status={})


def shape(*pods: Object, port: int = 0) -> Shape:
    return Shape({"v1/pods": [STRANGER, *pods]}, port=port)


def test_pods_are_told_with_their_nodes_and_gpus(tmp_path: Path) -> None:
    with cluster(shape(pod("gateway"), pod("chat")), tmp_path) as config:
        code, text = asked(config, "--output", "json")
    answer = json.loads(text)
    chat, gateway = answer["pods"]
    assert code == 0
    assert (chat["gpus"], chat["restarts"]) == ({"nvidia.com/gpu": 1}, 2)
    assert (gateway["node"], gateway["ready"], gateway["state"]) == ("a", True, "Running")
    assert answer["queue"] is answer["models"] is None


def test_what_keeps_a_pod_is_said(tmp_path: Path) -> None:
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 7}
    pods = (
        pod("chat", conditions=[{"type": "PodScheduled", "status": "False", "message": message}]),
        pod("speech", ready=False, containerStatuses=[waiting]),
    )
    with cluster(shape(*pods), tmp_path) as config:
        code, text = asked(config)
    assert code == 1
    assert message in text
    assert "CrashLoopBackOff" in text


def test_nothing_and_too_much(tmp_path: Path) -> None:
    with cluster(shape(), tmp_path) as config:
        assert asked(config)[0] == 2
    with cluster(shape(pod("chat"), pod("chat", release="test")), tmp_path) as config:
        assert asked(config)[0] == 2
        assert asked(config, "--release", "test")[0] == 0
        assert asked(config, "--release", "none")[0] == 2
    forbidden = Shape({}, forbidden=(f"/api/v1/namespaces/{NAMESPACE}/pods",))
    with cluster(forbidden, tmp_path) as config:
        assert asked(config)[0] == 2


def test_a_port_that_is_not_forwarded(tmp_path: Path) -> None:
    with cluster(shape(pod("gateway")), tmp_path) as config:
        code, text = asked(config, "--api-key", "sk-orf-1")
    assert code == 0
    assert "pods/portforward" in text


async def test_queue_and_models_come_through_a_forwarded_port(stage: Stage, tmp_path: Path) -> None:
    port = httpx.URL(stage.url).port or 0
    key = stage.keys.create("operator", scopes=SCOPES)[1]
    stage.script.queue = [
        queue_pb2.QueueEntry(request_id=each, model="fake-chat", priority=1, running=each == "1")
        for each in ("1", "2")
    ]
    with cluster(shape(pod("gateway"), port=port), tmp_path) as config:
        code, text = await asyncio.to_thread(asked, config, "--output", "json", "--api-key", key)
        refused, _ = await asyncio.to_thread(asked, config, "--api-key", "sk-orf-wrong")
    answer = json.loads(text)
    assert code == 0
    chat = next(each for each in answer["queue"] if each["capability"] == "chat")
    assert (chat["running"], chat["queued"]) == (1, 1)
    assert answer["models"]
    # The pods are told all the same.
    assert (refused, answer["pods"][0]["component"]) == (0, "gateway")
