"""The supervisor with small real processes: they die, come back, and end with it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from orfeon.serve.child import Child, ChildPlan
from orfeon.serve.probes import Phase
from orfeon.supervisor import Supervisor

# Each process says that it is up by writing its id, and ends on SIGTERM unless it is stubborn.
STEADY = "import os,pathlib,sys,time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
SLEEP = STEADY + "time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
FAILING = "import sys; sys.exit('no such model library')"
WITH_CHILD = "import subprocess; subprocess.Popen(['sleep', '600']); " + SLEEP


class FileProbe:
    """Ready once the process has written its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(self) -> tuple[Phase, str] | None:
        return (Phase.READY if self._path.exists() else Phase.STARTING), ""

    async def close(self) -> None:
        """Nothing to close."""


def plan(folder: Path, name: str, code: str, stop: int = 1) -> ChildPlan:
    path = folder / f"{name}.pid"
    return ChildPlan(
        name,
        (sys.executable, "-I", "-S", "-c", code, str(path)),
        dict(os.environ),
        lambda: FileProbe(path),
        stop,
    )


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for a condition that other processes bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def supervised(
    folder: Path, *plans: ChildPlan, grace: float = 5.0
) -> AsyncIterator[tuple[Supervisor, list[str]]]:
    """A running supervisor and the history of its children."""
    history: list[str] = []

    def report(child: Child) -> None:
        history.append(f"{child.plan.name} {child.phase} {child.detail}".strip())

    supervisor = Supervisor(plans, folder / "logs", report=report, grace=grace)
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        yield supervisor, history
    finally:
        stopping.set()
        await running


async def test_what_is_killed_comes_back_and_the_others_do_not_notice(tmp_path: Path) -> None:
    plans = plan(tmp_path, "a", SLEEP), plan(tmp_path, "b", SLEEP)
    async with supervised(tmp_path, *plans) as (supervisor, history):
        await supervisor.ready()
        a, b = supervisor.children
        first, other = a.pid, b.pid
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await until(lambda: a.pid not in (first, None) and a.phase is Phase.READY)
        assert b.pid == other
        last = a.pid

    assert "a restarting was killed by SIGKILL; again at once" in history
    assert not any(line.startswith("b restarting") for line in history)
    assert sorted(history[-2:]) == ["a stopped", "b stopped"]
    for pid in (last, other):
        assert pid is not None
        assert not psutil.pid_exists(pid)


async def test_what_fails_is_tried_again_later_and_later_with_its_last_words(
    tmp_path: Path,
) -> None:
    async with supervised(tmp_path, plan(tmp_path, "a", FAILING)) as (_, history):
        await until(lambda: sum("restarting" in line for line in history) >= 3)

    waits = [line for line in history if "restarting" in line]
    assert waits[:3] == [
        f"a restarting ended with status 1 (no such model library); again {wait}"
        for wait in ("at once", "in 0.2 s", "in 0.4 s")
    ]
    assert "no such model library" in (tmp_path / "logs" / "a.log").read_text()


async def test_a_command_that_is_not_there_is_no_end_of_the_others(tmp_path: Path) -> None:
    missing = ChildPlan("b", ("/no/such/program",), {}, lambda: FileProbe(tmp_path / "never"))
    async with supervised(tmp_path, plan(tmp_path, "a", SLEEP), missing) as (supervisor, history):
        await until(lambda: any(line.startswith("b restarting") for line in history))
        await until(lambda: supervisor.children[0].phase is Phase.READY)


async def test_the_stubborn_are_killed_after_the_grace_time(tmp_path: Path) -> None:
    async with supervised(tmp_path, plan(tmp_path, "a", STUBBORN), grace=0.5) as (supervisor, _):
        await supervisor.ready()
        began = time.monotonic()
        pid = supervisor.children[0].pid
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert 0.5 <= time.monotonic() - began < 5


async def test_the_impatient_need_not_wait_for_the_grace_time(tmp_path: Path) -> None:
    async with supervised(tmp_path, plan(tmp_path, "a", STUBBORN), grace=60) as (supervisor, _):
        await supervisor.ready()
        asyncio.get_running_loop().call_later(0.2, supervisor.kill)
        began = time.monotonic()
    assert time.monotonic() - began < 30


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, plan(tmp_path, "a", WITH_CHILD)) as (supervisor, _):
        await supervisor.ready()
        pid = supervisor.children[0].pid
        assert pid is not None
        (grandchild,) = psutil.Process(pid).children()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not grandchild.is_running() or grandchild.status() == "zombie")


async def test_the_front_is_stopped_before_the_rest(tmp_path: Path) -> None:
    plans = plan(tmp_path, "service", SLEEP), plan(tmp_path, "gateway", SLEEP, stop=0)
    async with supervised(tmp_path, *plans) as (supervisor, history):
        await supervisor.ready()
    assert history[-2:] == ["gateway stopped", "service stopped"]


@pytest.fixture
def orphan_maker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that supervises one child."""
    code = f"""
import asyncio, os, sys
from pathlib import Path
from orfeon.serve.child import ChildPlan
from orfeon.supervisor import Supervisor
from tests.integration.test_supervisor import SLEEP, plan
folder = Path({str(tmp_path)!r})
asyncio.run(Supervisor([plan(folder, "a", SLEEP)], folder / "logs").run(asyncio.Event()))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


async def test_no_child_outlives_a_supervisor_that_is_killed(
    tmp_path: Path, orphan_maker: subprocess.Popen[bytes]
) -> None:
    note = tmp_path / "a.pid"
    await until(lambda: note.exists() and note.read_text() != "")
    child = psutil.Process(int(note.read_text()))
    assert child.is_running()

    orphan_maker.kill()
    await until(lambda: not child.is_running() or child.status() == "zombie")
