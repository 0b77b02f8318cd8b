"""Trainings as Jobs: the real client of Kubernetes talks HTTP to a small cluster of ours."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import psutil
import pytest
from kubernetes import client

from services.training.kubernetes_runner import KubernetesRunner
from services.training.manifest import job_manifest
from services.training.runner import Run
from services.training.settings import KubernetesSettings, TrainingSettings
from tests.fakes.gateway import eventually
from tests.fakes.kubernetes import NAMESPACE, FakeKubernetes, cluster
from tests.fakes.trainings import CANCELLED, ENDED, FAILED, RUNNING, SUCCEEDED, Stage, staged

SETTINGS = KubernetesSettings(
    image="registry.example.com/orfeon-emotion-torch:1",
    claim="orfeon-shared",
    namespace=NAMESPACE,
    service_account="trainer",
    pull_secrets=["registry"],
    gpu_resource="nvidia.com/mig-1g.10gb",
    runtime_class="nvidia",
    node_selector={"nvidia.com/gpu.present": "true"},
    tolerations=[{"key": "team", "operator": "Equal", "value": "voice", "effect": "NoSchedule"}],
    priority_class="background",
    labels={"app.kubernetes.io/instance": "prod"},
    env={"HF_ENDPOINT": "https://hub.example.org"},
    poll_seconds=0.05,
)


@pytest.fixture
def kubernetes() -> Iterator[tuple[FakeKubernetes, str]]:
    with cluster() as made:
        yield made


@asynccontextmanager
async def clustered(home: Path, url: str, way: str, **more: Any) -> AsyncIterator[Stage]:
    """A training service whose trainings are Jobs."""

    def runner(settings: TrainingSettings) -> KubernetesRunner:
        configuration = client.Configuration(host=url)
        # What is refused is not asked again by the client itself.
        configuration.retries = False
        api = client.ApiClient(configuration)
        return KubernetesRunner(SETTINGS, settings.home, settings.grace_seconds, api)

    async with staged(home, way, runner, **more) as stage:
        yield stage


async def test_a_model_is_made_by_a_job(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=4") as stage:
        job = await stage.caller.create()
        done = await stage.caller.until(job.id, *ENDED)
        assert done.status == SUCCEEDED
        assert (tmp_path / "models" / done.fine_tuned_model / "model.yaml").is_file()
        assert "Step 4." in await stage.caller.messages(job.id)
    (manifest,) = fake.manifests
    assert manifest["metadata"]["name"] == job.id


async def test_whoever_cancels_waits_for_the_pods_end(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=100,pause=0.1") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 2.")
        pid = fake.pid(job.id)
        cancelled = (await stage.caller.CancelJob(job_id=job.id)).job
        assert cancelled.status == CANCELLED
        assert not psutil.pid_exists(pid)
        assert fake.jobs == []
        assert ("DELETE", job.id, {"propagationPolicy": ["Foreground"]}) in fake.calls
        # It was left the time for a checkpoint.
        assert "Stopped." in await stage.caller.messages(job.id)


async def test_a_job_goes_on_while_the_service_is_away(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=20,pause=0.1") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 2.")
        pid = fake.pid(job.id)
        await stage.restart()
        assert fake.pid(job.id) == pid
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED
        assert len(fake.manifests) == 1
        steps = [m for m in await stage.caller.messages(job.id) if m.startswith("Step")]
        assert steps == [f"Step {number}." for number in range(1, 21)]


async def test_a_paused_job_gives_its_node_back_and_goes_on_in_another_pod(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=10,pause=0.1,hold=3") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 3.")
        await stage.caller.PauseJob(job_id=job.id)
        assert fake.jobs == []
        await stage.caller.ResumeJob(job_id=job.id)
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED
        steps = [m for m in await stage.caller.messages(job.id) if m.startswith("Step")]
        assert steps == [f"Step {number}." for number in range(1, 11)]


async def test_a_job_that_somebody_deletes_is_begun_again(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=10,pause=0.1,hold=3") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 3.")
        fake.delete(job.id)
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED
        assert len(fake.manifests) == 2


async def test_memory_that_ran_out_is_said(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    fake.oom = True
    async with clustered(tmp_path, url, "die") as stage:
        job = await stage.caller.create()
        failed = await stage.caller.until(job.id, *ENDED)
        assert (failed.status, failed.error.code) == (FAILED, "out_of_memory")


@pytest.mark.parametrize(
    ("way", "code"), [("misuse", "invalid_training_file"), ("fail", "training_failed")]
)
async def test_how_a_job_fails_is_said(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path, way: str, code: str
) -> None:
    _, url = kubernetes
    async with clustered(tmp_path, url, way) as stage:
        job = await stage.caller.create()
        failed = await stage.caller.until(job.id, *ENDED)
        assert (failed.status, failed.error.code) == (FAILED, code)


async def test_to_wait_for_a_node_is_no_silence(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    fake.node = False
    async with clustered(tmp_path, url, "steps=2", silent_seconds=5) as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        await asyncio.sleep(6)
        assert (await stage.caller.job(job.id)).status == RUNNING
        fake.node = True
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED


@pytest.mark.parametrize("answer", [401, 403, 429, 500, 503])
async def test_a_cluster_that_cannot_be_asked_is_asked_again(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path, answer: int
) -> None:
    fake, url = kubernetes
    fake.answer = answer
    async with clustered(tmp_path, url, "steps=2") as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        await asyncio.sleep(0.5)
        assert (await stage.caller.job(job.id)).status == RUNNING
        fake.answer = 200
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED


async def test_a_cluster_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    async with clustered(tmp_path, "http://127.0.0.1:9", "steps=2") as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        await asyncio.sleep(0.5)
        assert (await stage.caller.job(job.id)).status == RUNNING


async def test_a_job_that_the_cluster_will_never_take_fails(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    fake.refuses = True
    async with clustered(tmp_path, url, "steps=2") as stage:
        job = await stage.caller.create()
        failed = await stage.caller.until(job.id, *ENDED)
        assert failed.status == FAILED
        assert "Kubernetes refuses" in failed.error.message


async def test_a_trainer_that_a_node_interrupts_goes_on(
    kubernetes: tuple[FakeKubernetes, str], tmp_path: Path
) -> None:
    fake, url = kubernetes
    async with clustered(tmp_path, url, "steps=10,pause=0.1,hold=3") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 3.")
        os.kill(fake.pid(job.id), signal.SIGTERM)
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED

        async def is_gone() -> bool:
            return len(fake.manifests) == 2

        await eventually(is_gone)


def test_outside_of_a_cluster_the_service_says_so(tmp_path: Path) -> None:
    told = {
        "ORFEON_HOME": str(tmp_path),
        "ORFEON_TRAINING_RUNNER": "kubernetes",
        "ORFEON_TRAINING_KUBERNETES__IMAGE": "i",
        "ORFEON_TRAINING_KUBERNETES__CLAIM": "c",
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.training"],
        env=os.environ | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "in no pod with a token" in done.stderr
    assert "Traceback" not in done.stderr


RUN = Run("ftjob-1", ["python", "-m", "services.emotion.training"], Path("/var/lib/orfeon/x"))


@pytest.mark.parametrize("version", ["1.30", "1.33", "1.36"])
@pytest.mark.parametrize("settings", [SETTINGS, KubernetesSettings(image="i", claim="c", gpus=0)])
def test_the_job_is_valid_for_kubernetes(version: str, settings: KubernetesSettings) -> None:
    manifest = job_manifest(RUN, settings, Path("/var/lib/orfeon"), 20)
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_job_asks_for_a_gpu_where_there_are_some_and_keeps_to_the_restricted_standard() -> None:
    manifest = job_manifest(RUN, SETTINGS, Path("/var/lib/orfeon"), 20)
    assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "prod"
    spec = manifest["spec"]
    assert spec["template"]["metadata"]["labels"] == manifest["metadata"]["labels"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert {each["key"] for each in pod["tolerations"]} == {"team", "nvidia.com/gpu"}
    assert pod["serviceAccountName"] == "trainer"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (3, 3600)
    assert {"name": "ORFEON_HOME", "value": "/var/lib/orfeon"} in container["env"]
    (volume,) = (each for each in container["volumeMounts"] if each["name"] == "home")
    assert volume["mountPath"] == "/var/lib/orfeon"


def test_a_job_without_a_gpu_asks_for_none() -> None:
    settings = KubernetesSettings(image="i", claim="c", gpus=0, sub_path="home")
    pod = job_manifest(RUN, settings, Path("/var/lib/orfeon"), 20)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "16Gi"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "tolerations" not in pod
    assert container["volumeMounts"][0]["subPath"] == "home"


@pytest.mark.parametrize("missing", ["image", "claim"])
def test_the_runner_says_what_it_needs(missing: str, tmp_path: Path) -> None:
    chosen = {"image": "i", "claim": "c", missing: ""}
    with pytest.raises(ValueError, match=f"needs kubernetes.{missing}"):
        TrainingSettings(
            home=tmp_path, runner="kubernetes", kubernetes=KubernetesSettings(**chosen)
        )
