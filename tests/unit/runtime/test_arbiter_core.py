"""The arbiter's heart: what is written down when, and who is granted what at the start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from orfeon.api.arbiter.v1 import arbiter_pb2 as pb
from services.arbiter.arbiter import Arbiter
from services.arbiter.members import Members
from services.arbiter.metrics import ArbiterMetrics
from services.arbiter.state import StateFile
from services.runtime.arbiter_wire import write_claim
from services.runtime.process import Process
from services.runtime.residency.ledger import Ledger
from tests.fakes.claimant import a_claim
from tests.fakes.clock import FakeClock


def new_arbiter(folder: Path | None, clock: FakeClock, settle_seconds: float = 0) -> Arbiter:
    ledger = Ledger({"cpu": 100}, clock=clock)
    return Arbiter(
        ledger,
        Members(ledger, lease_ttl=3, own=Process(1, 7, 1), is_alive=lambda process: True),
        None if folder is None else StateFile(folder),
        ArbiterMetrics(CollectorRegistry()),
        lease_ttl=3,
        settle_seconds=settle_seconds,
    )


def hello(pid: int, *leases: pb.Lease) -> pb.SessionRequest:
    process = pb.Process(pid=pid, pid_namespace=7, started=1)
    return pb.SessionRequest(hello=pb.Hello(name="chat", process=process, leases=leases))


def lease(number: int, size: int) -> pb.Lease:
    placement = pb.Placement(parts=[pb.Part(device="cpu", bytes=size)])
    return pb.Lease(id=number, model="m", placement=placement, held_seconds=5)


def claim(number: int, size: int) -> pb.SessionRequest:
    return pb.SessionRequest(claim=write_claim(a_claim(number, size), 0.0))


@asynccontextmanager
async def tended(arbiter: Arbiter) -> AsyncIterator[None]:
    """The arbiter after one round of its own work."""
    task = asyncio.create_task(arbiter.tend())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_grant_is_written_down_before_it_can_be_told(tmp_path: Path) -> None:
    arbiter = new_arbiter(tmp_path, FakeClock())
    session, member = arbiter.open(hello(1))
    arbiter.handle(claim(1, 80), session, member)

    # Nothing has been awaited since, so the grant still lies in the outbox.
    assert session.outbox.qsize() == 2
    assert new_arbiter(tmp_path, FakeClock()).ledger.used() == {"cpu": 80}


def test_what_a_client_brings_along_is_written_down_with_its_age(tmp_path: Path) -> None:
    clock = FakeClock()
    clock.advance(100)
    arbiter = new_arbiter(tmp_path, clock)
    arbiter.open(hello(1, lease(4, 60)))

    assert [each.since for each in arbiter.ledger.leases] == [95]
    assert new_arbiter(tmp_path, clock).ledger.used() == {"cpu": 60}


def test_what_the_end_of_a_session_lets_others_have_is_written_down_before_it_can_be_told(
    tmp_path: Path,
) -> None:
    arbiter = new_arbiter(tmp_path, FakeClock())
    arbiter.open(hello(1, lease(1, 40)))
    first, member = arbiter.open(hello(2))
    arbiter.handle(claim(1, 90), first, member)
    second, other = arbiter.open(hello(3))
    arbiter.handle(claim(1, 50), second, other)
    assert arbiter.ledger.used() == {"cpu": 40}

    arbiter.close(first, member)
    assert arbiter.ledger.used() == {"cpu": 90}
    assert new_arbiter(tmp_path, FakeClock()).ledger.used() == {"cpu": 90}


async def test_nothing_is_granted_until_all_had_the_time_to_come_back(tmp_path: Path) -> None:
    clock = FakeClock()
    arbiter = new_arbiter(tmp_path, clock, settle_seconds=2)
    session, member = arbiter.open(hello(1))
    arbiter.handle(claim(1, 80), session, member)
    async with tended(arbiter):
        assert arbiter.ledger.used() == {"cpu": 0}

    arbiter.open(hello(2, lease(1, 60)))
    clock.advance(2)
    async with tended(arbiter):
        assert arbiter.ledger.used() == {"cpu": 60}  # There are 40 left, which is not enough.


def test_what_is_known_too_early_is_not_written_down(tmp_path: Path) -> None:
    arbiter = new_arbiter(tmp_path, FakeClock(), settle_seconds=2)
    arbiter.open(hello(1, lease(1, 60)))
    assert list(tmp_path.iterdir()) == []


def test_with_a_state_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    new_arbiter(tmp_path, FakeClock()).open(hello(1, lease(1, 60)))

    arbiter = new_arbiter(tmp_path, FakeClock(), settle_seconds=2)
    session, member = arbiter.open(hello(2))
    arbiter.handle(claim(1, 40), session, member)
    arbiter.handle(claim(2, 1), session, member)
    assert arbiter.ledger.used() == {"cpu": 100}


def test_a_session_that_was_replaced_is_not_listened_to() -> None:
    arbiter = new_arbiter(None, FakeClock())
    first, member = arbiter.open(hello(1))
    second, again = arbiter.open(hello(1))

    assert member is again
    assert not arbiter.handle(claim(1, 80), first, member)
    assert arbiter.handle(claim(1, 70), second, member)
    assert arbiter.ledger.used() == {"cpu": 70}


def test_a_stopping_arbiter_ends_its_sessions_and_forgets_nothing(tmp_path: Path) -> None:
    arbiter = new_arbiter(tmp_path, FakeClock())
    session, member = arbiter.open(hello(1, lease(1, 60)))
    arbiter.stop()
    arbiter.close(session, member)

    assert session.outbox.qsize() == 2
    assert new_arbiter(tmp_path, FakeClock()).ledger.used() == {"cpu": 60}
