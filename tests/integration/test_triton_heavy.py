"""Heavy models of a real Triton server: which work at once, by the resource `memory`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from orfeon.serve.triton import MEMORY_UNITS
from services.runtime.errors import Cancelled, DeadlineExceeded
from services.runtime.triton.server import Call, TritonServer
from services.runtime.worker import Cancellation
from tests.integration.test_serve import until
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, write_toys

#: What each takes while it works.
HEAVY = {"all": MEMORY_UNITS, "whole": MEMORY_UNITS, "half": MEMORY_UNITS // 2}
HEAVY["other"] = HEAVY["half"]
GROUP = "instance_group [ { kind: KIND_CPU count: 1 } ]"
LIMITED = """instance_group [ {{ kind: KIND_CPU count: 1 rate_limiter {{
  resources [ {{ name: "memory" count: {count} }} ] }} }} ]"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heavy")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TritonServer]:
    models = write_toys(folder)
    slow = models / "slow"
    for name, count in HEAVY.items():
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text((slow / "1" / "model.py").read_text())
        config = (slow / "config.pbtxt").read_text()
        assert GROUP in config
        config = config.replace('"slow"', f'"{name}"')
        (models / name / "config.pbtxt").write_text(
            config.replace(GROUP, LIMITED.format(count=count))
        )
    process = Triton(folder, {}, models)
    process.start()
    server = TritonServer(process.url, timeout=30)
    for name in HEAVY:
        server.load(name, INTERFACES["slow"], timeout=30)
    yield server
    for name in HEAVY:
        server.unload(name)
    server.close()
    process.stop()


def worked(server: TritonServer, folder: Path, *names: str, seconds: float = 0.5) -> list[str]:
    """What models noted that were asked at once, each for so long."""
    notes = folder / "slow.txt"
    notes.unlink(missing_ok=True)
    work = {"X": np.array([seconds], np.float32)}
    with ThreadPoolExecutor(len(names)) as pool:
        for each in [pool.submit(server.infer, name, work, Call()) for name in names]:
            each.result(30)
    return notes.read_text().split()


def test_two_that_may_not_both_fit_never_work_at_once(server: TritonServer, folder: Path) -> None:
    notes = worked(server, folder, "all", "whole", "all", "whole")
    assert notes == ["begun", "done"] * 4


def test_two_halves_work_at_once_and_neither_beside_a_whole(
    server: TritonServer, folder: Path
) -> None:
    notes, ended = folder / "slow.txt", Cancellation()
    notes.unlink(missing_ok=True)
    long = {"X": np.array([60], np.float32)}
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(server.infer, name, long, Call(cancelled=ended))
            for name in ("half", "other")
        ]
        until(lambda: notes.exists() and notes.read_text().split() == ["begun"] * 2, 30)
        ended.set()
        for each in asked:
            with pytest.raises(Cancelled):
                each.result(30)
    until(lambda: notes.read_text().split() == ["begun"] * 2 + ["cancelled"] * 2, 30)
    assert worked(server, folder, "half", "whole") == ["begun", "done"] * 2


def test_who_leaves_while_another_works_takes_nothing_with_him(
    server: TritonServer, folder: Path
) -> None:
    long, none = {"X": np.array([60], np.float32)}, {"X": np.array([0], np.float32)}
    working, waiting = Cancellation(), Cancellation()
    notes = folder / "slow.txt"
    notes.unlink(missing_ok=True)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.infer, "all", long, Call(cancelled=working))
        until(notes.exists, 30)
        with pytest.raises(DeadlineExceeded):
            server.infer("whole", none, Call(timeout=1))
        second = pool.submit(server.infer, "whole", long, Call(cancelled=waiting))
        waiting.set()
        working.set()
        for each in (first, second):
            with pytest.raises(Cancelled):
                each.result(30)
    for name in HEAVY:
        assert server.infer(name, none, Call(timeout=10))["Y"] == [0]
