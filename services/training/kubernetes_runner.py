"""Trainings as Jobs of Kubernetes, on nodes with GPUs; the only file that imports its client."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from services.runtime.errors import InvalidRequest
from services.training.manifest import CONTAINER, job_manifest
from services.training.order import Method
from services.training.runner import INTERRUPTED, NoRunner, Progress, Run, RunnerUnavailable
from services.training.settings import KubernetesSettings

T = TypeVar("T")

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: Seconds that a question to Kubernetes may take.
_TIMEOUT = 15.0
_GONE, _CONFLICT = 404, 409
#: What Kubernetes says of a manifest that it will never take.
_REFUSED = (400, 422)


class KubernetesRunner:
    """Runs trainings as Jobs, which go on whatever becomes of this process.

    `home` is a folder of a volume that the Jobs mount at the same path. Without an `api`,
    Kubernetes is found as pods find it.
    """

    def __init__(
        self,
        settings: KubernetesSettings,
        home: Path,
        grace: float,
        api: client.ApiClient | None = None,
    ) -> None:
        if api is None:
            api = _from_within()
        self._settings = settings
        self._home = home
        self._grace = grace
        self._namespace = settings.namespace or _NAMESPACE.read_text("utf-8").strip()
        self._jobs: Any = client.BatchV1Api(api)
        self._pods: Any = client.CoreV1Api(api)

    def check(self, method: Method) -> None:
        """The image has what is needed."""

    async def start(self, run: Run) -> None:
        """Makes the Job, unless there is one."""
        manifest = job_manifest(run, self._settings, self._home, self._grace)
        try:
            await self._ask(
                lambda: self._jobs.create_namespaced_job(
                    self._namespace, manifest, _request_timeout=_TIMEOUT
                )
            )
        except ApiException as error:
            if error.status in _REFUSED:
                raise InvalidRequest(
                    "Kubernetes refuses the training's Job; whoever runs this installation has to "
                    "mend the settings of its trainings."
                ) from error
            if error.status != _CONFLICT:
                raise

    async def progress(self, run: str) -> Progress:
        """How the Job is."""
        job = await self._read(run)
        if job is None:
            return Progress(INTERRUPTED)
        ended = _ended(job)
        if ended == "Complete":
            return Progress(0)
        if ended is not None:
            return Progress(await self._exit_status(run))
        return Progress(waits=not job.status.ready)

    async def stop(self, run: str) -> None:
        """Deletes the Job; returns once its pods are gone too."""
        # Kubernetes has no other way to say when it is done.
        while await self._delete(run):  # noqa: ASYNC110
            await asyncio.sleep(self._settings.poll_seconds)

    async def leave(self, run: str) -> None:
        """Nothing: the Job goes on, and is found again."""

    async def _read(self, run: str) -> Any:
        """The Job, None where there is none."""
        try:
            return await self._ask(
                lambda: self._jobs.read_namespaced_job(
                    run, self._namespace, _request_timeout=_TIMEOUT
                )
            )
        except ApiException as error:
            if error.status == _GONE:
                return None
            raise

    async def _delete(self, run: str) -> bool:
        """Asks for the Job's end; whether there still is one."""
        try:
            await self._ask(
                lambda: self._jobs.delete_namespaced_job(
                    run,
                    self._namespace,
                    # The Job is there until its pods are gone.
                    propagation_policy="Foreground",
                    _request_timeout=_TIMEOUT,
                )
            )
        except ApiException as error:
            if error.status == _GONE:
                return False
            raise
        return True

    async def _exit_status(self, run: str) -> int:
        """How the trainer ended in the pod that was started last; 1 where nobody knows."""
        pods = await self._ask(
            lambda: self._pods.list_namespaced_pod(
                self._namespace,
                label_selector=f"batch.kubernetes.io/job-name={run}",
                _request_timeout=_TIMEOUT,
            )
        )
        ended = [
            (pod.metadata.creation_timestamp, status.state.terminated)
            for pod in pods.items
            for status in pod.status.container_statuses or ()
            if status.name == CONTAINER and status.state.terminated is not None
        ]
        if not ended:
            return 1
        _, last = max(ended, key=lambda each: each[0])
        return -9 if last.reason == "OOMKilled" else int(last.exit_code)

    async def _ask(self, question: Callable[[], T]) -> T:
        """Asks Kubernetes in a thread. Raises `RunnerUnavailable`, or `ApiException` for what it
        says of the question itself.
        """
        try:
            return await asyncio.to_thread(question)
        except ApiException as error:
            if error.status in (_GONE, _CONFLICT, *_REFUSED):
                raise
            raise RunnerUnavailable(f"Kubernetes answers {error.status}.") from error
        except HTTPError as error:
            raise RunnerUnavailable("Kubernetes cannot be reached.") from error


def _from_within() -> client.ApiClient:
    """The way to Kubernetes from within a pod. Raises `NoRunner`."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise NoRunner(
            "Trainings are to be Jobs of Kubernetes, but this process is in no pod with a token of "
            "its service account: mount it, or set ORFEON_TRAINING_RUNNER=process."
        ) from error
    return client.ApiClient()


def _ended(job: Any) -> str | None:
    """`Complete` or `Failed`; None while the Job goes on."""
    for condition in job.status.conditions or ():
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return str(condition.type)
    return None
