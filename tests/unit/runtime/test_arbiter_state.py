"""What the arbiter writes down, and what it makes of it after its own death."""

from pathlib import Path

import pytest

from services.arbiter.members import Members
from services.arbiter.state import StateFile
from services.runtime.process import Process
from services.runtime.residency.ledger import Ledger
from services.runtime.residency.memory import Use
from services.runtime.residency.placement import Placement
from tests.fakes.claimant import NotingClaimant, a_claim

CHAT = Process(11, 4026531836, 1000)


def some_members() -> tuple[Ledger, Members]:
    ledger = Ledger({"cpu": 100, "cuda:0": 50})
    return ledger, Members(
        ledger, lease_ttl=3, own=Process(1, CHAT.namespace, 1), is_alive=lambda process: True
    )


def test_leases_come_back_with_their_holders(tmp_path: Path) -> None:
    _, members = some_members()
    chat = members.attach("chat", CHAT, [], NotingClaimant())
    chat.holder.adopt(
        7, "a", Placement((("cuda:0", 40), ("cpu", 20)), 5), Use(True, 3.0, 2.5, pinned=True)
    )
    StateFile(tmp_path / "new").write(members)

    ledger, others = some_members()
    assert StateFile(tmp_path / "new").restore(others, 9.0)
    (lease,) = ledger.leases
    assert (lease.holder.name, lease.id, lease.model) == ("chat", 7, "a")
    assert lease.placement == Placement((("cuda:0", 40), ("cpu", 20)), 5)
    # It cannot say yet that it is idle, so it is not taken for it.
    assert lease.use == Use(loaded=True, idle_since=None, reload_seconds=2.5, pinned=True)
    assert [(each.process, each.orphaned is None) for each in others] == [(CHAT, False)]


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    _, members = some_members()
    chat = members.attach("chat", CHAT, [], NotingClaimant())
    file, path = StateFile(tmp_path), tmp_path / "state.json"
    chat.holder.claim(a_claim(1, 10))
    file.write(members)
    path.unlink()

    chat.holder.report(1, Use(idle_since=5.0))
    file.write(members)
    assert not path.exists()
    chat.holder.claim(a_claim(2, 10))
    file.write(members)
    assert path.exists()


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    _, members = some_members()
    StateFile(tmp_path).write(members)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "chat"}]'])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    ledger, members = some_members()

    assert not StateFile(tmp_path).restore(members, 0.0)
    assert ledger.leases == []


def test_a_state_that_nobody_wrote_is_none(tmp_path: Path) -> None:
    assert not StateFile(tmp_path).restore(some_members()[1], 0.0)


def test_a_full_disk_does_not_stop_the_arbiter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    StateFile(tmp_path / "file").write(some_members()[1])
