"""The arbiter and its clients over a real socket, in one process; see also test_arbiter_faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc
from services.arbiter.server import ArbiterServer
from services.arbiter.settings import ArbiterSettings
from services.runtime.arbiter_client import ArbiterClient
from services.runtime.errors import OutOfMemory
from services.runtime.residency.ledger import Ledger
from services.runtime.residency.memory import Use
from services.runtime.residency.placement import Placement
from services.runtime.urgency import Urgency
from tests.fakes.claimant import NotingClaimant, a_claim


@asynccontextmanager
async def arbiter(
    folder: Path, *, lease_ttl: float = 3, settle_seconds: float = 0
) -> AsyncIterator[str]:
    """A running arbiter with 100 bytes to give; yields its address."""
    address = f"unix:{folder}/a.sock"
    settings = ArbiterSettings(
        address=address,
        state=folder / "state",
        lease_ttl=lease_ttl,
        settle_seconds=settle_seconds,
    )
    server = ArbiterServer(Ledger({"cpu": 100}), settings)
    await server.start()
    try:
        yield address
    finally:
        await server.stop()


@asynccontextmanager
async def client(address: str, name: str) -> AsyncIterator[tuple[ArbiterClient, NotingClaimant]]:
    """A client of the arbiter, which need not be there."""
    memory, claimant = ArbiterClient(address, name), NotingClaimant()
    await memory.start(claimant)
    try:
        yield memory, claimant
    finally:
        await memory.close()


async def show(address: str) -> arbiter_pb2.ShowResponse:
    """What the arbiter shows."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: arbiter_pb2_grpc.ArbiterServiceAsyncStub
        stub = arbiter_pb2_grpc.ArbiterServiceStub(channel)
        return await stub.Show(arbiter_pb2.ShowRequest(), wait_for_ready=True, timeout=20)


async def test_a_claim_is_granted_and_what_does_not_fit_waits_for_a_release(
    tmp_path: Path,
) -> None:
    async with (
        arbiter(tmp_path) as address,
        client(address, "chat") as (chat, told),
        client(address, "speech") as (speech, heard),
    ):
        chat.claim(a_claim(1, 80))
        await told.hears("granted", 1)
        speech.claim(a_claim(1, 50))
        await told.hears("wanted", 1)
        assert heard.heard == []

        chat.release(1)
        await heard.hears("granted", 1)
    assert heard.heard == [("granted", 1, Placement((("cpu", 50),)))]


async def test_what_can_never_fit_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    async with arbiter(tmp_path) as address, client(address, "chat") as (chat, told):
        chat.claim(a_claim(7, 101))
        await told.hears("refused", 7)
    ((_, _, error),) = told.heard
    assert isinstance(error, OutOfMemory)
    assert error.param == "model"
    assert "101" in error.message


async def test_a_withdrawn_claim_costs_nobody_anything(tmp_path: Path) -> None:
    async with (
        arbiter(tmp_path) as address,
        client(address, "chat") as (chat, told),
        client(address, "speech") as (speech, heard),
    ):
        chat.claim(a_claim(1, 80))
        chat.withdraw(1)
        speech.claim(a_claim(1, 80))
        await heard.hears("granted", 1)
        assert ("granted", 1) not in told.words()


async def test_who_waits_no_longer_wants_nothing(tmp_path: Path) -> None:
    async with (
        arbiter(tmp_path) as address,
        client(address, "chat") as (chat, told),
        client(address, "speech") as (speech, _),
    ):
        chat.claim(a_claim(1, 80))
        await told.hears("granted", 1)
        speech.claim(a_claim(1, 80))
        await told.hears("wanted", 1)
        speech.withdraw(1)
        await told.until(lambda: told.heard[-1] == ("wanted", 1, None))


async def test_the_urgent_go_first_and_urgency_can_change(tmp_path: Path) -> None:
    async with (
        arbiter(tmp_path) as address,
        client(address, "chat") as (chat, told),
        client(address, "speech") as (speech, heard),
    ):
        chat.claim(a_claim(1, 80))
        await told.hears("granted", 1)
        speech.claim(a_claim(1, 80, level=1))
        speech.claim(a_claim(2, 80, level=2))
        speech.update(2, Urgency(0, 0.0))
        await told.until(lambda: told.words().count(("wanted", 1)) >= 2)

        shown = await show(address)
        assert [pending.claim.id for pending in shown.claims] == [2, 1]
        chat.release(1)
        await heard.hears("granted", 2)


async def test_show_tells_what_there_is_who_has_it_and_who_waits(tmp_path: Path) -> None:
    async with (
        arbiter(tmp_path) as address,
        client(address, "chat") as (chat, told),
        client(address, "speech") as (speech, _),
    ):
        chat.claim(a_claim(1, 80))
        await told.hears("granted", 1)
        chat.report(1, Use(loaded=True, idle_since=None, reload_seconds=2.5))
        speech.claim(a_claim(9, 30, level=2))
        await told.hears("wanted", 1)

        shown = await show(address)
        while not shown.leases[0].lease.use.loaded:
            shown = await show(address)
    (device,), (held,), (pending,) = shown.devices, shown.leases, shown.claims
    assert (device.name, device.capacity, device.free) == ("cpu", 100, 20)
    assert (held.holder, held.lease.model, held.connected) == ("chat", "model-1", True)
    assert [(part.device, part.bytes) for part in held.lease.placement.parts] == [("cpu", 80)]
    assert held.lease.use.reload_seconds == 2.5
    assert not held.lease.use.HasField("idle_seconds")
    assert held.wanted.level == 2
    assert (pending.holder, pending.claim.id, pending.claim.footprint.bytes) == ("speech", 9, 30)
    assert not pending.claim.urgency.HasField("due_in_seconds")


async def test_a_client_outlives_the_arbiter_and_asks_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/a.sock"
    async with client(address, "chat") as (chat, told), client(address, "speech") as (speech, got):
        async with arbiter(tmp_path):
            chat.claim(a_claim(1, 80))
            chat.claim(a_claim(2, 10))
            await told.hears("granted", 1)
            await told.hears("granted", 2)
            speech.claim(a_claim(1, 50))
            await told.hears("wanted", 1)
        # Nobody can be waiting now, as far as anyone knows.
        await told.until(lambda: told.heard[-1] == ("wanted", 1, None))
        chat.release(2)
        chat.claim(a_claim(3, 20))

        async with arbiter(tmp_path):
            await told.hears("granted", 3)
            await told.until(lambda: told.words().count(("wanted", 1)) >= 3)
            held = {(each.holder, each.lease.id) for each in (await show(address)).leases}
            assert held == {("chat", 1), ("chat", 3)}
            chat.release(1)
            await got.hears("granted", 1)


async def test_without_a_state_nothing_is_granted_until_others_can_have_come_back(
    tmp_path: Path,
) -> None:
    address = f"unix:{tmp_path}/a.sock"
    async with client(address, "chat") as (chat, told), client(address, "speech") as (speech, got):
        async with arbiter(tmp_path):
            chat.claim(a_claim(1, 80))
            await told.hears("granted", 1)
        await told.until(lambda: not chat.connected)
        (tmp_path / "state/state.json").unlink()
        speech.claim(a_claim(1, 50))

        async with arbiter(tmp_path, settle_seconds=10):
            await told.until(lambda: chat.connected and speech.connected)
            assert [each.lease.id for each in (await show(address)).leases] == [1]
            await told.hears("wanted", 1)
            assert got.heard == []


async def test_a_client_need_not_wait_for_an_arbiter_to_start(tmp_path: Path) -> None:
    async with client(f"unix:{tmp_path}/a.sock", "chat") as (chat, told):
        chat.claim(a_claim(1, 80))
        await asyncio.sleep(0.3)
        async with arbiter(tmp_path):
            await told.hears("granted", 1)


async def test_silent_clients_are_kept_by_signs_of_life(tmp_path: Path) -> None:
    async with (
        # A third of it passes between two signs; a busy machine may keep one back for a while.
        arbiter(tmp_path, lease_ttl=5) as address,
        client(address, "chat") as (chat, told),
    ):
        chat.claim(a_claim(1, 80))
        await told.hears("granted", 1)
        await asyncio.sleep(6)
        (held,) = (await show(address)).leases
        assert held.connected


async def test_a_session_that_does_not_begin_with_hello_is_refused(tmp_path: Path) -> None:
    async with arbiter(tmp_path) as address, grpc.aio.insecure_channel(address) as channel:
        stub: arbiter_pb2_grpc.ArbiterServiceAsyncStub
        stub = arbiter_pb2_grpc.ArbiterServiceStub(channel)
        renew = arbiter_pb2.SessionRequest(renew=arbiter_pb2.Renew())
        with pytest.raises(grpc.aio.AioRpcError, match="hello") as refusal:
            async for _ in stub.Session(iter([renew])):
                pass
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
