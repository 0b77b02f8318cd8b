"""The chart's containers that bring weights do so: their own commands, run here against a hub."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.runtime.registry import Registry
from tests.contract.chart import Object, of_kind, pod
from tests.integration.test_model_sources import COMMIT, WEIGHTS, hub

__all__ = ["hub"]

MOUNT, DEFINITIONS = "/var/lib/orfeon-weights", "/etc/orfeon/definitions"


def values(endpoint: str, sha256: str) -> dict[str, Any]:
    source = {"hub": "org/tiny", "revision": COMMIT, "path": "sub/model.bin"}
    model = {
        "name": "org/tiny",
        "capability": "chat",
        "engine": "fake",
        "tasks": ["chat"],
        "owned_by": "org",
        "licence": "MIT",
        "memory_bytes": 7_000_000_000,
        "files": {"model.bin": {"sources": [source], "sha256": sha256, "size": len(WEIGHTS)}},
    }
    definitions = {"org--tiny": model}
    return {
        "models": {"source": "job", "definitions": definitions, "hub": {"endpoint": endpoint}},
    }


class Volume:
    """A folder in the stead of the volume, and one in the stead of the ConfigMap."""

    def __init__(self, folder: Path, rendered: dict[str, Any]) -> None:
        self.weights, self._definitions = folder / "weights", folder / "definitions"
        self.weights.mkdir()
        self._definitions.mkdir()
        for name, text in of_kind(rendered, "ConfigMap")["weights"]["data"].items():
            (self._definitions / name).write_text(text, "utf-8")

    def start(self, container: Object) -> "subprocess.Popen[str]":
        """Runs what a container runs, with its environment."""
        command = [self._here(part) for part in (*container["command"], *container["args"])]
        told = {each["name"]: self._here(each["value"]) for each in container.get("env", [])}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            command,
            env={"PATH": path, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _here(self, text: str) -> str:
        return text.replace(MOUNT, str(self.weights)).replace(DEFINITIONS, str(self._definitions))


def containers(rendered: dict[str, Any]) -> tuple[Object, Object]:
    """The one that fetches, and the one by which chat waits for it."""
    (job,) = of_kind(rendered, "Job").values()
    (fetching,) = job["spec"]["template"]["spec"]["containers"]
    (waiting,) = pod(of_kind(rendered, "Deployment")["chat"])["initContainers"]
    return fetching, waiting


def test_pods_wait_for_weights_and_read_them(tmp_path: Path, hub: str) -> None:
    rendered = values(hub, hashlib.sha256(WEIGHTS).hexdigest())
    volume, (fetching, waiting) = Volume(tmp_path, rendered), containers(rendered)
    pod_waits = volume.start(waiting)
    try:
        assert volume.start(fetching).communicate(timeout=60)[0] == (
            "org/tiny is on this machine.\n"
        )
        assert pod_waits.wait(timeout=60) == 0
    finally:
        pod_waits.kill()
        pod_waits.communicate()

    registry = Registry(tmp_path / "home", [], "chat", shared=volume.weights / "models")
    manifest = registry.get("org/tiny")
    assert (registry.folder(manifest) / "model.bin").read_bytes() == WEIGHTS
    # To fetch again what is there asks nobody.
    again = volume.start(fetching)
    again.communicate(timeout=60)
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("below", "told"), [("/nowhere", "could not be fetched"), ("", "checksum")]
)
def test_a_fetch_that_fails_lets_no_pod_start(
    tmp_path: Path, hub: str, below: str, told: str
) -> None:
    """Neither a hub without the file nor a file that is not what it should be."""
    rendered = values(hub + below, "0" * 64)
    volume, (fetching, waiting) = Volume(tmp_path, rendered), containers(rendered)
    failed = volume.start(fetching)
    said = failed.communicate(timeout=60)[1]
    assert (failed.returncode, said.count("\n")) == (1, 1)
    assert told in said
    mark = Path(waiting["args"][-1]).name
    assert not (volume.weights / mark).exists()
