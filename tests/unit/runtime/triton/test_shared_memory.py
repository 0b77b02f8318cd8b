import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from services.runtime.triton.shared_memory import Lender
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import VirtualLoop

ARRAY = np.zeros(4, np.float32)


class Server:
    """Keeps regions as Triton does: what is in use is not given back, what is unknown is."""

    def __init__(self) -> None:
        self.regions: set[str] = set()
        self.asked = 0
        self.in_use = self.away = False
        self.free = asyncio.Event()
        self.free.set()

    async def register_system_shared_memory(
        self, name: str, key: str, byte_size: int, *, client_timeout: float
    ) -> None:
        # What was sent is worked on, also for a client that has left.
        working = asyncio.ensure_future(self._register(name, key))
        await asyncio.shield(working)

    async def _register(self, name: str, key: str) -> None:
        await self.free.wait()
        self.regions.add(name)

    async def unregister_system_shared_memory(self, name: str, *, client_timeout: float) -> None:
        self.asked += 1
        if self.away:
            raise InferenceServerException("failed to connect", "StatusCode.UNAVAILABLE")
        if self.in_use:
            raise InferenceServerException("it is currently in use.", "StatusCode.INTERNAL")
        self.regions.discard(name)


class Lending:
    """A request that reads lent memory until it is cancelled, in a loop of its own."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.server = Server()
        self.lender = Lender(self.server, 30.0)
        self.request = self.loop.create_task(self._ask())
        self.loop.settle()

    async def _ask(self) -> None:
        async with self.lender.lent([(InferInput("X", [4], "FP32"), ARRAY)]):
            await asyncio.Event().wait()

    def cancel(self) -> None:
        self.loop.do(self.request.cancel)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)
            self.loop.settle()


@pytest.fixture
def lending() -> Iterator[Lending]:
    lending = Lending()
    yield lending
    lending.cancel()
    lending.server.in_use = False
    lending.server.free.set()
    lending.wait(3)
    assert not lending.lender.tasks
    assert not lending.loop.unseen
    lending.loop.close()


def test_memory_goes_with_the_request_that_reads_it(lending: Lending) -> None:
    assert len(lending.server.regions) == 1
    lending.cancel()
    assert not lending.server.regions
    assert lending.server.asked == 1


def test_memory_that_is_in_use_goes_when_it_is_not(lending: Lending) -> None:
    lending.server.in_use = True
    lending.cancel()
    assert lending.request.cancelled()  # Who asked does not wait for it.
    lending.wait(60)
    assert lending.server.regions
    assert lending.server.asked < 40
    lending.server.in_use = False
    lending.wait(3)
    assert not lending.server.regions


def test_what_the_server_registers_late_is_given_back_after_that() -> None:
    lending = Lending()
    lending.server.free.clear()
    late = lending.loop.create_task(lending._ask())
    lending.loop.settle()
    lending.loop.do(late.cancel)
    assert late.cancelled()
    lending.loop.do(lending.server.free.set)
    lending.cancel()
    assert not lending.server.regions
    lending.loop.close()


def test_a_server_that_has_died_is_asked_once(lending: Lending) -> None:
    lending.server.away = True
    lending.cancel()
    lending.wait(60)
    assert lending.server.asked == 1


def test_a_server_that_never_gives_back_is_asked_for_ten_minutes(lending: Lending) -> None:
    lending.server.in_use = True
    lending.cancel()
    lending.wait(605)
    assert not lending.lender.tasks


def test_the_end_waits_a_moment_for_what_is_in_use(lending: Lending) -> None:
    lending.server.in_use = True
    lending.cancel()
    closing = lending.loop.create_task(lending.lender.close(1.0))
    lending.wait(0.5)
    assert not closing.done()
    lending.wait(1)
    assert closing.done()


def test_no_file_is_left_by_who_leaves_before_the_server_has_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("services.runtime.triton.shared_memory._FOLDER", tmp_path)
    lending = Lending()
    lending.server.free.clear()
    late = lending.loop.create_task(lending._ask())
    lending.loop.settle()
    assert len(list(tmp_path.iterdir())) == 1
    lending.loop.do(late.cancel)
    assert not list(tmp_path.iterdir())
    lending.loop.do(lending.server.free.set)
    lending.cancel()
    lending.loop.close()
