"""One child process: started, watched, started again when it dies, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orfeon.serve.backoff import Backoff
from orfeon.serve.logs import LogFile
from orfeon.serve.probes import Phase, Probe
from services.runtime import leash

#: Seconds between two questions to a child in a phase.
_ASK_EVERY = {Phase.STARTING: 0.1, Phase.LOADING: 0.25, Phase.READY: 2.0}


@dataclass(frozen=True)
class ChildPlan:
    """What to run. `environment` is all of it: nothing is inherited.

    `prepare` is called before each start, in a thread, and `clear` after the last life. Children
    are stopped in the order of `stop`, so that what those before still work on can finish.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Callable[[], Probe]
    stop: int = 1
    prepare: Callable[[], None] = lambda: None
    clear: Callable[[], None] = lambda: None


class Child:
    """A child process and its restarts. `report` is called after every change."""

    def __init__(
        self,
        plan: ChildPlan,
        log: LogFile,
        report: Callable[["Child"], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.plan = plan
        self.log = log
        self.phase = Phase.STARTING
        self.detail = ""
        self.started = time.monotonic()
        self._report = report
        self._backoff = backoff or Backoff()
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keeps the process running until `stop`."""
        probe = self.plan.probe()
        try:
            while not self._stopping.is_set():
                code = await self._live(probe)
                if self._stopping.is_set():
                    break
                delay = self._backoff.died()
                wait = f"in {delay:g} s" if delay else "at once"
                self._become(Phase.RESTARTING, f"{self._ended(code)}; again {wait}")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
        finally:
            await probe.close()
            self.log.close()
            self.plan.clear()
        self._become(Phase.STOPPED, "")

    async def stop(self, grace: float) -> None:
        """Asks the process to end; after `grace` seconds it has no choice."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await process.wait()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process and all that it started."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _live(self, probe: Probe) -> int | OSError:
        """One life of the process: its exit status, or why it could not be started."""
        self.started = time.monotonic()
        self._become(Phase.STARTING, "")
        leashed = (sys.executable, "-I", "-S", leash.__file__, str(os.getpid()))
        try:
            await asyncio.to_thread(self.plan.prepare)
        except OSError as error:
            return error
        # A pipe of our own: with one of asyncio's, `wait` would wait for whoever else holds it.
        output, theirs = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *leashed,
                *self.plan.command,
                env=dict(self.plan.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                # A group of its own: a Ctrl-C in the terminal reaches the supervisor alone.
                process_group=0,
            )
        except OSError as error:
            os.close(output)
            return error
        finally:
            os.close(theirs)
        if self._stopping.is_set():  # `stop` came while the process was being made: it has no work
            self.signal(signal.SIGKILL)
        watch = asyncio.create_task(self._watch(probe))
        listen = asyncio.create_task(self._listen(output))
        try:
            code = await self._process.wait()
        except asyncio.CancelledError:
            self.signal(signal.SIGKILL)
            raise
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)  # what it started and left behind
            watch.cancel()
            await asyncio.wait([watch, listen], timeout=1.0)
            listen.cancel()
        if watch.done() and not watch.cancelled():
            watch.result()  # A probe that fails is a fault of ours, not of the child.
        return code

    async def _watch(self, probe: Probe) -> None:
        while True:
            answer = await probe.ask()
            if answer is not None:
                self._become(*answer)
            self._backoff.well(self.phase is Phase.READY)
            await asyncio.sleep(_ASK_EVERY[self.phase])

    async def _listen(self, output: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
        )
        try:
            while data := await reader.read(1 << 16):
                self.log.write(data)
        finally:
            transport.close()

    def _become(self, phase: Phase, detail: str) -> None:
        if (phase, detail) != (self.phase, self.detail):
            self.phase, self.detail = phase, detail
            self._report(self)

    def _ended(self, code: int | OSError) -> str:
        if isinstance(code, OSError):
            return f"could not be started: {code.strerror or code}"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        said = self.log.last_words()
        return f"ended with status {code}" + (f" ({said})" if said else "")
