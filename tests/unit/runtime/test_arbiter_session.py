"""What one client's messages do at the arbiter, and what Prometheus sees of it."""

import pytest
from prometheus_client import CollectorRegistry

from orfeon.api.arbiter.v1 import arbiter_pb2 as pb
from services.arbiter.metrics import ArbiterMetrics
from services.arbiter.session import ClientSession
from services.runtime.arbiter_wire import write_claim
from services.runtime.errors import InvalidRequest
from services.runtime.residency.ledger import Holder, Ledger
from tests.fakes.claimant import a_claim
from tests.fakes.clock import FakeClock


class Desk:
    """An arbiter of 100 bytes without a network."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger({"cpu": 100}, clock=self.clock)
        self.registry = CollectorRegistry()
        self.metrics = ArbiterMetrics(self.registry)

    def join(self, name: str) -> tuple[ClientSession, Holder]:
        session = ClientSession(self.metrics, self.clock, lease_ttl=3)
        return session, self.ledger.join(name, session)

    def seen(self, name: str, **labels: str) -> float | None:
        """A sample, as Prometheus would read it."""
        self.metrics.look(self.ledger)
        return self.registry.get_sample_value(f"orfeon_arbiter_{name}", labels)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def claim(number: int, size: int, level: int = 1) -> pb.SessionRequest:
    return pb.SessionRequest(claim=write_claim(a_claim(number, size, level=level), 0.0))


def said(session: ClientSession) -> list[str | None]:
    """The kinds of what lies in the outbox."""
    kinds: list[str | None] = []
    while not session.outbox.empty():
        response = session.outbox.get_nowait()
        kinds.append(response and response.WhichOneof("event"))
    return kinds


def test_welcome_comes_first_and_says_how_often_to_renew(desk: Desk) -> None:
    session, holder = desk.join("chat")
    session.handle(claim(1, 10), holder)

    welcome = session.outbox.get_nowait()
    assert welcome is not None
    assert welcome.welcome.renew_seconds == 1.0
    assert said(session) == ["granted"]


def test_memory_is_counted_by_device_and_kind(desk: Desk) -> None:
    session, holder = desk.join("chat")
    session.handle(claim(1, 80), holder)

    kinds = ("capacity", "leased", "free")
    assert [desk.seen("memory_bytes", device="cpu", kind=kind) for kind in kinds] == [100, 80, 20]


def test_grants_refusals_and_waits_are_counted(desk: Desk) -> None:
    session, holder = desk.join("chat")
    session.handle(claim(1, 80), holder)
    session.handle(claim(2, 80, level=2), holder)
    session.handle(claim(3, 101), holder)
    assert desk.seen("claims", level="2") == 1
    assert desk.seen("claims", level="1") == 0

    desk.clock.advance(7)
    session.handle(pb.SessionRequest(release=pb.Release(id=1)), holder)
    assert desk.seen("claims", level="2") == 0
    assert desk.seen("grants_total") == 2
    assert desk.seen("refusals_total") == 1
    assert desk.seen("claim_wait_seconds_sum", level="1") == 0
    assert desk.seen("claim_wait_seconds_sum", level="2") == 7


def test_a_lease_that_is_wanted_more_and_more_is_one_revocation(desk: Desk) -> None:
    chat, chats = desk.join("chat")
    chat.handle(claim(1, 80), chats)
    speech, speeches = desk.join("speech")
    speech.handle(claim(1, 80), speeches)
    for level in (2, 0):
        update = pb.Update(id=1, urgency=pb.Urgency(level=level))
        speech.handle(pb.SessionRequest(update=update), speeches)
    assert said(chat) == ["welcome", "granted", "wanted", "wanted", "wanted"]
    assert desk.seen("revocations_total") == 1


def test_a_withdrawn_claim_is_not_answered(desk: Desk) -> None:
    session, holder = desk.join("chat")
    session.handle(claim(1, 80), holder)
    session.handle(claim(2, 80), holder)
    session.handle(pb.SessionRequest(withdraw=pb.Withdraw(id=2)), holder)
    session.handle(pb.SessionRequest(release=pb.Release(id=1)), holder)
    assert said(session) == ["welcome", "granted", "wanted", "wanted"]


@pytest.mark.parametrize(
    "request_",
    [
        claim(1, 10),  # has been granted
        claim(2, -10),
        pb.SessionRequest(),
        pb.SessionRequest(hello=pb.Hello(name="again")),
    ],
    ids=["known number", "negative size", "nothing", "second hello"],
)
def test_what_makes_no_sense_is_refused(desk: Desk, request_: pb.SessionRequest) -> None:
    session, holder = desk.join("chat")
    session.handle(claim(1, 10), holder)
    with pytest.raises(InvalidRequest):
        session.handle(request_, holder)
    assert desk.ledger.used() == {"cpu": 10}
