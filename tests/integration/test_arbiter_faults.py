"""The arbiter and its clients as processes that are killed and stopped: nobody takes too much."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 100


class Node:
    """A folder with an arbiter and users of memory, all of them processes."""

    def __init__(self, folder: Path, lease_ttl: float = 1) -> None:
        self.address = f"unix:{folder}/a.sock"
        self.folder = folder
        self._environment = os.environ | {
            "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
            "ORFEON_ARBITER_ADDRESS": self.address,
            "ORFEON_ARBITER_STATE": str(folder),
            "ORFEON_ARBITER_SETTLE_SECONDS": "0",
            "ORFEON_ARBITER_LEASE_TTL": str(lease_ttl),
            "ORFEON_ARBITER_BUDGETS": f'{{"cpu": {BUDGET}}}',
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_arbiter(self) -> subprocess.Popen[bytes]:
        """Starts an arbiter, as a supervisor would again and again."""
        return self._start("arbiter", "-m", "services.arbiter")

    def start_user(self, name: str, size: int, mode: str) -> subprocess.Popen[bytes]:
        """Starts a user of memory. See memory_user.py."""
        program = str(Path(__file__).with_name("memory_user.py"))
        return self._start(name, program, self.address, name, str(size), mode)

    def said(self, name: str) -> list[tuple[str, float]]:
        """What a user has written: words and moments."""
        lines = (self.folder / f"{name}.out").read_text().splitlines()
        return [(word, float(moment)) for word, moment in (line.split() for line in lines)]

    def has(self, name: str) -> bool:
        """Whether a user has its memory, by its own word."""
        said = self.said(name)
        return bool(said) and said[-1][0] == "+"

    def end(self) -> None:
        """Kills all."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=self._environment, stdout=out
            )
        self._processes.append(process)
        return process


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.end()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Node]:
    """A node whose leases outlive the test."""
    node = Node(tmp_path, lease_ttl=600)
    yield node
    node.end()


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for what other processes bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody here could set an event
            await asyncio.sleep(0.02)


async def shown(node: Node) -> arbiter_pb2.ShowResponse:
    """What the arbiter tells, once there is one."""
    async with grpc.aio.insecure_channel(node.address) as channel:
        stub: arbiter_pb2_grpc.ArbiterServiceAsyncStub
        stub = arbiter_pb2_grpc.ArbiterServiceStub(channel)
        return await stub.Show(arbiter_pb2.ShowRequest(), wait_for_ready=True, timeout=30)


async def until_shown(
    node: Node, condition: Callable[[arbiter_pb2.ShowResponse], bool], seconds: float = 30
) -> None:
    """Waits until the arbiter tells so."""
    async with asyncio.timeout(seconds):
        while not condition(await shown(node)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


async def watch_leases(node: Node) -> None:
    """Asks the arbiter again and again, whoever that is now, and finds no byte too many leased."""
    while True:
        try:
            response = await shown(node)
        except grpc.aio.AioRpcError:
            continue
        parts = (part for each in response.leases for part in each.lease.placement.parts)
        assert sum(part.bytes for part in parts) <= BUDGET
        await asyncio.sleep(0.01)


def overlaps(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> bool:
    """Whether two users had their memory at the same moment."""

    def spans(said: list[tuple[str, float]]) -> list[tuple[float, float]]:
        begins = [moment for word, moment in said if word == "+"]
        ends = [moment for word, moment in said if word == "-"]
        return list(zip(begins, [*ends, float("inf")], strict=False))

    return any(a < d and c < b for a, b in spans(one) for c, d in spans(other))


async def test_a_killed_arbiter_comes_back_and_nobody_ever_has_too_much(node: Node) -> None:
    arbiter = node.start_arbiter()
    for name in ("chat", "speech"):
        node.start_user(name, 80, "share")
    await until(lambda: len(node.said("chat")) > 20 and len(node.said("speech")) > 20, 60)
    watching = asyncio.create_task(watch_leases(node))

    for _ in range(3):
        arbiter.kill()
        arbiter.wait()
        before = {name: len(node.said(name)) for name in ("chat", "speech")}
        arbiter = node.start_arbiter()
        await until(lambda: all(len(node.said(each)) > n + 10 for each, n in before.items()), 30)  # noqa: B023

    assert not watching.done(), watching.exception()
    watching.cancel()
    assert not overlaps(node.said("chat"), node.said("speech"))
    assert {word for word, _ in node.said("chat") + node.said("speech")} == {"+", "-"}


async def test_claims_that_wait_while_the_arbiter_dies_are_granted_by_the_next(
    node: Node,
) -> None:
    arbiter = node.start_arbiter()
    holder = node.start_user("chat", 80, "keep")
    await until(lambda: node.has("chat"), 30)
    node.start_user("speech", 80, "keep")
    await until_shown(node, lambda told: bool(told.claims))

    arbiter.kill()
    holder.kill()
    node.start_arbiter()
    await until(lambda: node.has("speech"), 30)
    assert [each.holder for each in (await shown(node)).leases] == ["speech"]


async def test_the_memory_of_a_killed_process_is_given_to_the_next_at_once(patient: Node) -> None:
    node = patient
    node.start_arbiter()
    holder = node.start_user("chat", 80, "keep")
    await until(lambda: node.has("chat"), 30)
    node.start_user("speech", 80, "keep")
    await until_shown(node, lambda told: bool(told.claims))

    holder.kill()  # and not reaped: a zombie has no memory
    await until(lambda: node.has("speech"), 30)


async def test_a_stopped_process_keeps_its_memory_even_from_the_next_arbiter(node: Node) -> None:
    arbiter = node.start_arbiter()
    holder = node.start_user("chat", 80, "share")
    await until(lambda: node.has("chat"), 30)
    holder.send_signal(signal.SIGSTOP)
    node.start_user("speech", 80, "keep")

    await until_shown(node, lambda told: not told.leases[0].connected)
    arbiter.kill()
    arbiter.wait()
    node.start_arbiter()
    await until_shown(node, lambda told: bool(told.claims))
    await asyncio.sleep(1.5)
    assert [each.holder for each in (await shown(node)).leases] == ["chat"]
    assert not node.has("speech")

    holder.send_signal(signal.SIGCONT)
    await until(lambda: node.has("speech"), 30)
    assert not overlaps(node.said("chat"), node.said("speech"))
