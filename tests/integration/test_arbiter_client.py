"""What a client of the arbiter says on the wire, and how it takes odd answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from orfeon.api.arbiter.v1 import arbiter_pb2_grpc
from orfeon.api.arbiter.v1.arbiter_pb2 import (
    Granted,
    Part,
    Placement,
    SessionRequest,
    SessionResponse,
    ShowRequest,
    ShowResponse,
    Welcome,
)
from services.runtime.arbiter_client import ArbiterClient
from services.runtime.residency.memory import Use
from tests.fakes.claimant import NotingClaimant, a_claim


class ScriptedArbiter(arbiter_pb2_grpc.ArbiterServiceServicer):
    """Notes what it hears, and says what it is told to."""

    def __init__(self) -> None:
        self.heard: list[SessionRequest] = []
        self._say: asyncio.Queue[SessionResponse] = asyncio.Queue()

    async def Session(
        self, request_iterator: AsyncIterator[SessionRequest], context: Any
    ) -> AsyncIterator[SessionResponse]:
        listening = asyncio.create_task(self._listen(request_iterator))
        try:
            yield SessionResponse(welcome=Welcome(renew_seconds=0.2))
            while True:
                yield await self._say.get()
        finally:
            listening.cancel()

    async def Show(self, request: ShowRequest, context: Any) -> ShowResponse:
        raise AssertionError("no client asks")

    def grant(self, number: int, size: int) -> None:
        """Grants a claim, in RAM."""
        placement = Placement(parts=[Part(device="cpu", bytes=size)])
        self._say.put_nowait(SessionResponse(granted=Granted(id=number, placement=placement)))

    def words(self) -> list[str]:
        """The kinds of what it has heard, signs of life left out."""
        said = (str(request.WhichOneof("event")) for request in self.heard)
        return [word for word in said if word != "renew"]

    async def _listen(self, requests: AsyncIterator[SessionRequest]) -> None:
        async for request in requests:
            self.heard.append(request)


@asynccontextmanager
async def talking(
    folder: Path, claimant: NotingClaimant | None = None
) -> AsyncIterator[tuple[ScriptedArbiter, ArbiterClient, NotingClaimant]]:
    """A client that is connected to a scripted arbiter."""
    scripted, claimant = ScriptedArbiter(), claimant or NotingClaimant()
    server = grpc.aio.server()
    arbiter_pb2_grpc.add_ArbiterServiceServicer_to_server(scripted, server)
    server.add_insecure_port(f"unix:{folder}/a.sock")
    await server.start()
    client = ArbiterClient(f"unix:{folder}/a.sock", "chat")
    await client.start(claimant)
    try:
        await claimant.until(lambda: client.connected)
        yield scripted, client, claimant
    finally:
        await client.close()
        await server.stop(None)


async def granted(
    scripted: ScriptedArbiter, client: ArbiterClient, claimant: NotingClaimant
) -> None:
    """Claim 1 becomes a lease."""
    client.claim(a_claim(1, 10))
    scripted.grant(1, 10)
    await claimant.hears("granted", 1)


def counted(scripted: ScriptedArbiter, word: str, number: int) -> Callable[[], bool]:
    return lambda: scripted.words().count(word) >= number


async def test_many_reports_are_few_messages_and_the_last_is_heard(tmp_path: Path) -> None:
    async with talking(tmp_path) as (scripted, client, claimant):
        await granted(scripted, client, claimant)
        for number in range(500):
            client.report(1, Use(loaded=True, reload_seconds=number))
        await claimant.until(
            lambda: any(each.report.use.reload_seconds == 499 for each in scripted.heard)
        )
        assert scripted.words().count("report") == 2


async def test_a_use_that_is_known_is_not_told_again(tmp_path: Path) -> None:
    async with talking(tmp_path) as (scripted, client, claimant):
        await granted(scripted, client, claimant)
        client.report(1, Use(loaded=True))
        client.report(1, Use(loaded=False))
        client.report(1, Use(loaded=True))
        client.claim(a_claim(2, 10))
        await asyncio.sleep(0.15)
        # What is said is heard in its order.
        await claimant.until(counted(scripted, "claim", 2))
        assert scripted.words().count("report") == 1


async def test_a_grant_that_comes_too_late_goes_straight_back(tmp_path: Path) -> None:
    async with talking(tmp_path) as (scripted, client, claimant):
        client.claim(a_claim(1, 10))
        client.withdraw(1)
        scripted.grant(1, 10)
        await claimant.until(counted(scripted, "release", 1))
    assert claimant.heard == []
    assert scripted.words() == ["hello", "claim", "withdraw", "release"]


async def test_who_has_nothing_to_say_says_that_it_lives(tmp_path: Path) -> None:
    async with talking(tmp_path) as (scripted, _, claimant):
        await claimant.until(lambda: sum(each.HasField("renew") for each in scripted.heard) >= 2)


async def test_a_claimant_that_fails_does_not_end_the_client(tmp_path: Path) -> None:
    class FailingClaimant(NotingClaimant):
        def granted(self, claim_id: int, placement: object) -> None:
            raise ValueError("a bug")

    async with talking(tmp_path, FailingClaimant()) as (scripted, client, claimant):
        client.claim(a_claim(5, 10))
        await claimant.until(counted(scripted, "claim", 1))
        scripted.grant(5, 10)
        await claimant.until(counted(scripted, "hello", 2))
    hellos = [each.hello for each in scripted.heard if each.HasField("hello")]
    assert [lease.id for lease in hellos[-1].leases] == [5]


async def test_a_proxy_in_the_environment_does_not_come_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    scripted, claimant = ScriptedArbiter(), NotingClaimant()
    server = grpc.aio.server()
    arbiter_pb2_grpc.add_ArbiterServiceServicer_to_server(scripted, server)
    client = ArbiterClient(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", "chat")
    await server.start()
    await client.start(claimant)
    try:
        await claimant.until(lambda: client.connected)
    finally:
        await client.close()
        await server.stop(None)


async def test_who_finds_no_arbiter_says_so_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("services.runtime.arbiter_client.FIRST_COMPLAINT", 0.05)

    def complaints() -> list[object]:
        said = [each for each in caplog.records if each.message.startswith("no arbiter")]
        return [vars(each)["waiting"] for each in said]

    claimant = NotingClaimant()
    client = ArbiterClient(f"unix:{tmp_path}/a.sock", "chat")
    await client.start(claimant)
    client.claim(a_claim(1, 10))
    await claimant.until(lambda: len(complaints()) >= 2)
    await client.close()
    assert complaints()[:2] == [["model-1"], ["model-1"]]

    async with talking(tmp_path):
        before = len(complaints())
        await asyncio.sleep(0.2)
        assert len(complaints()) == before


async def test_one_that_was_never_started_can_be_closed() -> None:
    client = ArbiterClient("unix:/nowhere", "chat")
    client.claim(a_claim(1, 10))
    client.withdraw(1)
    await client.close()
