"""Trainings as child processes of this one."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import services
from services.runtime import leash
from services.runtime.errors import InvalidRequest
from services.training.order import Method
from services.training.runner import INTERRUPTED, Progress, Run

#: Least urgent of all: what is asked for now goes before what takes hours.
NICE = 19
#: What the trainer is told of this process's environment.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
         "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN",
         "SSL_CERT_FILE", "ORFEON_HOME")  # fmt: skip


_ROOT = Path(services.__file__).parents[1]


class ProcessRunner:
    """Runs trainings on this machine, in process groups of their own, niced.

    They end with this process, even where it is killed: whoever starts next goes on from their
    checkpoints. `needed` are the packages without which the trainer cannot run, by method.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        threads: int,
        grace: float,
        needed: Mapping[Method, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self._environment = {name: environment[name] for name in _KEPT if name in environment}
        self._environment["PYTHONUNBUFFERED"] = "1"
        # Where Orfeón was not installed, the trainer is still to be found.
        searched = (str(_ROOT), environment.get("PYTHONPATH", ""))
        self._environment["PYTHONPATH"] = os.pathsep.join(filter(None, searched))
        if threads:
            self._environment["OMP_NUM_THREADS"] = str(threads)
        self._grace = grace
        self._needed = needed
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    def check(self, method: Method) -> None:
        """Raises `InvalidRequest` where the trainer's packages are not installed."""
        needed = self._needed.get(method, ())
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise InvalidRequest(
                f"This installation cannot train: it lacks {', '.join(missing)}. Whoever runs it "
                "can install them: pip install 'orfeon[train]'."
            )

    async def start(self, run: Run) -> None:
        """Begins a run; its output goes to `trainer.log`."""
        if run.id in self._processes:
            return
        command = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]
        with (run.folder / "trainer.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                *run.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=run.folder,
                start_new_session=True,
            )
        self._processes[run.id] = process
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)

    async def progress(self, run: str) -> Progress:
        """How a run is."""
        process = self._processes.get(run)
        if process is None:
            return Progress(INTERRUPTED)
        if process.returncode is not None:
            self._forget(run)
        return Progress(process.returncode)

    async def stop(self, run: str) -> None:
        """Asks the trainer to end; after the grace it has no choice."""
        process = self._processes.get(run)
        if process is None:
            return
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._grace)
            except TimeoutError:
                _signal(process.pid, signal.SIGKILL)
                await process.wait()
        self._forget(run)

    async def leave(self, run: str) -> None:
        """Stops it: it cannot be watched from nowhere."""
        await self.stop(run)

    def _forget(self, run: str) -> None:
        process = self._processes.pop(run)
        # What it had started itself, if anything is left of that.
        _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
