"""Who holds memory at the arbiter: comings, goings and disappearances."""

import pytest

from services.arbiter.members import Held, Member, Members
from services.runtime.process import Process
from services.runtime.residency.ledger import Ledger
from services.runtime.residency.memory import Use
from services.runtime.residency.placement import Placement
from tests.fakes.claimant import NotingClaimant, a_claim
from tests.fakes.clock import FakeClock

OWN, OTHER = 4026531836, 4026532999
CHAT = Process(11, OWN, 1000)
SPEECH = Process(12, OWN, 1001)


class Node:
    """The members of a ledger of 100 bytes, and which processes live."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger({"cpu": 100}, clock=self.clock)
        self.alive = {CHAT, SPEECH}
        self.members = Members(
            self.ledger,
            lease_ttl=3,
            own=Process(1, OWN, 1),
            is_alive=self.alive.__contains__,
        )

    def join(self, process: Process, *held: Held, name: str = "x") -> tuple[Member, NotingClaimant]:
        """A process begins a session."""
        claimant = NotingClaimant()
        return self.members.attach(name, process, held, claimant), claimant

    def leased(self) -> int:
        """Bytes leased by all."""
        return self.ledger.used()["cpu"]


def held(number: int, size: int) -> Held:
    return Held(number, f"model-{number}", Placement((("cpu", size),)), Use(), 0.0)


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_process_that_is_dead_loses_its_memory_at_once(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    speech, heard = node.join(SPEECH)
    speech.holder.claim(a_claim(1, 50))
    node.alive.remove(CHAT)
    node.members.detach(chat, claimant)

    assert not node.members.sweep()
    assert heard.words() == [("granted", 1)]
    assert node.leased() == 50


def test_a_process_that_hangs_keeps_its_memory_however_long(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    node.members.detach(chat, claimant)

    assert node.members.sweep()
    node.clock.advance(1000)
    assert not node.members.sweep()
    assert node.leased() == 80

    node.alive.remove(CHAT)
    node.members.sweep()
    assert node.leased() == 0


def test_a_process_that_cannot_be_seen_has_the_lease_ttl_to_come_back(node: Node) -> None:
    remote, claimant = node.join(Process(1, OTHER, 5))
    remote.holder.claim(a_claim(1, 80))
    node.members.detach(remote, claimant)

    node.clock.advance(2.9)
    node.members.sweep()
    assert node.leased() == 80
    node.clock.advance(0.1)
    node.members.sweep()
    assert node.leased() == 0


def test_without_namespaces_nobody_is_taken_for_a_process_of_our_own() -> None:
    clock = FakeClock()
    ledger = Ledger({"cpu": 100}, clock=clock)
    members = Members(
        ledger, lease_ttl=3, own=Process(1, 0, 0), is_alive=lambda process: process.pid < 0
    )
    members.restore("chat", Process(2, 0, 0), [held(1, 80)])

    members.sweep()
    assert len(ledger.leases) == 1


def test_an_orphan_that_holds_nothing_is_forgotten(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    node.members.detach(chat, claimant)

    node.members.sweep()
    assert list(node.members) == []
    assert node.ledger.holders == []


def test_a_broken_session_takes_its_claims_with_it(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    chat.holder.claim(a_claim(2, 80))
    node.members.detach(chat, claimant)

    assert chat.holder.claims == {}
    assert list(chat.holder.leases) == [1]


def test_claims_that_end_together_leave_no_room_to_one_another(node: Node) -> None:
    speech, _ = node.join(SPEECH, name="speech")
    speech.holder.claim(a_claim(1, 40))
    chat, first = node.join(CHAT)
    chat.holder.claim(a_claim(1, 90, level=0))
    chat.holder.claim(a_claim(2, 50))  # There is room for it, kept for the first.
    assert first.heard == []

    _, second = node.join(CHAT)
    assert second.heard == []
    assert node.leased() == 40

    chat.holder.claim(a_claim(1, 90, level=0))
    chat.holder.claim(a_claim(2, 50))
    node.members.detach(chat, second)
    assert second.heard == []
    assert node.leased() == 40


def test_what_a_process_brings_along_counts_before_its_old_claims_make_room(node: Node) -> None:
    node.join(SPEECH, held(1, 40), name="speech")
    chat, _ = node.join(CHAT)
    chat.holder.claim(a_claim(1, 90, level=0))
    waiting, heard = node.join(Process(13, OWN, 1002), name="emotion")
    waiting.holder.claim(a_claim(1, 50))

    node.join(CHAT, held(7, 50))  # It was given for lost, and has its memory nevertheless.
    assert heard.heard == []
    assert node.leased() == 90


def test_what_a_process_says_replaces_what_was_remembered(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    for number in (1, 2):
        chat.holder.claim(a_claim(number, 30))
    node.members.detach(chat, claimant)

    again, _ = node.join(CHAT, held(2, 30), held(3, 20))
    assert again is chat
    assert sorted(again.holder.leases) == [2, 3]
    assert node.leased() == 50


def test_no_byte_is_given_away_while_its_holder_comes_back(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    speech, heard = node.join(SPEECH, name="speech")
    speech.holder.claim(a_claim(1, 50))
    node.members.detach(chat, claimant)

    _, told = node.join(CHAT, held(1, 80))
    assert heard.heard == []
    assert node.leased() == 80
    assert told.words() == [("wanted", 1)]  # Once more: the message may have been lost.


def test_what_it_let_go_meanwhile_is_given_to_others_when_it_says_so(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    speech, heard = node.join(SPEECH, name="speech")
    speech.holder.claim(a_claim(1, 50))
    node.members.detach(chat, claimant)

    node.join(CHAT)
    assert heard.words() == [("granted", 1)]


def test_the_end_of_a_session_that_was_replaced_means_nothing(node: Node) -> None:
    chat, first = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    again, _ = node.join(CHAT, held(1, 80))
    chat.holder.claim(a_claim(2, 10))
    node.members.detach(chat, first)

    assert again.orphaned is None
    assert sorted(again.holder.leases) == [1, 2]


def test_a_process_started_anew_under_the_same_number_is_another(node: Node) -> None:
    chat, claimant = node.join(CHAT)
    chat.holder.claim(a_claim(1, 80))
    node.members.detach(chat, claimant)
    node.alive.remove(CHAT)
    node.alive.add(Process(CHAT.pid, OWN, 2000))

    successor, _ = node.join(Process(CHAT.pid, OWN, 2000))
    assert successor is not chat
    node.members.sweep()
    assert node.leased() == 0


def test_an_orphan_from_before_our_death_waits_for_its_process(node: Node) -> None:
    node.members.restore("chat", CHAT, [held(1, 80)])
    speech, heard = node.join(SPEECH, name="speech")
    speech.holder.claim(a_claim(1, 50))
    speech.holder.claim(a_claim(2, 20))
    assert heard.words() == [("granted", 2)]

    _, told = node.join(CHAT, held(1, 80), name="chat")
    assert told.words() == [("wanted", 1)]
    assert node.leased() == 100
