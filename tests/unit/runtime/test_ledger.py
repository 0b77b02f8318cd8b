"""Who is granted what, case by case; test_ledger_machine.py has the laws."""

from services.runtime.errors import OrfeonError
from services.runtime.residency.ledger import Ledger
from services.runtime.residency.memory import Claim, Use
from services.runtime.residency.placement import CPU, CUDA, Footprint, Placement
from services.runtime.urgency import Urgency
from tests.fakes.clock import FakeClock

ANYWHERE = frozenset({CPU, CUDA})


class Process:
    """A claimant that remembers."""

    def __init__(self) -> None:
        self.placements: dict[int, Placement] = {}
        self.refusals: dict[int, OrfeonError] = {}
        self.asked_back: dict[int, Urgency | None] = {}

    def granted(self, claim_id: int, placement: Placement) -> None:
        self.placements[claim_id] = placement

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        self.refusals[claim_id] = error

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        self.asked_back[lease_id] = urgency


def claim(number: int, size: int, *, evict: bool = True) -> Claim:
    footprint = Footprint(size, kinds=ANYWHERE)
    return Claim(number, f"model{number}", footprint, Urgency(1, float(number)), evict)


def test_an_idle_model_leaves_the_gpu_rather_than_that_another_goes_to_ram() -> None:
    process = Process()
    ledger = Ledger({CPU: 100, "cuda:0": 50}, clock=FakeClock())
    memory = ledger.join("chat", process)
    memory.claim(claim(1, 40))
    memory.report(1, Use(loaded=True, idle_since=0.0))
    memory.claim(claim(2, 40))
    assert set(process.placements) == {1}
    assert process.asked_back[1] is not None
    memory.release(1)
    assert process.placements[2].device == "cuda:0"


def test_a_model_goes_to_ram_while_the_gpu_is_in_use() -> None:
    process = Process()
    ledger = Ledger({CPU: 100, "cuda:0": 50}, clock=FakeClock())
    memory = ledger.join("chat", process)
    memory.claim(claim(1, 40))
    memory.report(1, Use(loaded=True))
    memory.claim(claim(2, 40))
    assert process.placements[2].device == CPU


def test_preloading_takes_ram_rather_than_anybodys_gpu() -> None:
    process = Process()
    ledger = Ledger({CPU: 100, "cuda:0": 50}, clock=FakeClock())
    memory = ledger.join("chat", process)
    memory.claim(claim(1, 40))
    memory.report(1, Use(loaded=True, idle_since=0.0))
    memory.claim(claim(2, 40, evict=False))
    assert process.placements[2].device == CPU


def test_a_refusal_has_the_arithmetic_and_says_when_to_come_back() -> None:
    process = Process()
    ledger = Ledger({CPU: 100, "cuda:0": 50}, clock=FakeClock())
    ledger.join("chat", process).claim(claim(1, 1_000))
    error = process.refusals[1]
    assert "needs 1,000 bytes" in error.message
    assert "100 on cpu, 50 on cuda:0" in error.message
    assert error.retry_after == 30


def test_an_idle_model_that_is_asked_is_not_spared_for_one_that_would_go_beside_it() -> None:
    process = Process()
    ledger = Ledger({CPU: 100}, clock=FakeClock())
    memory = ledger.join("chat", process)
    memory.claim(claim(1, 50))
    memory.report(1, Use(loaded=True, idle_since=0.0, reload_seconds=5.0))
    memory.claim(claim(2, 50))
    memory.report(2, Use(loaded=True))
    memory.claim(claim(3, 50))
    assert set(process.asked_back) == {1}
    # What becomes idle now would be cheaper to load again; but the first is being unloaded.
    memory.report(2, Use(loaded=True, idle_since=1.0))
    assert set(process.asked_back) == {1}
    assert process.asked_back[1] is not None
    memory.release(1)
    assert process.placements.keys() == {1, 2, 3}
    assert set(process.asked_back) == {1}


def test_a_model_that_was_asked_may_stay_once_nobody_wants_its_memory() -> None:
    process = Process()
    ledger = Ledger({CPU: 100}, clock=FakeClock())
    memory = ledger.join("chat", process)
    for number, since in ((1, 0.0), (2, 1.0)):
        memory.claim(claim(number, 50))
        memory.report(number, Use(loaded=True, idle_since=since))
    memory.claim(claim(3, 50))
    memory.withdraw(3)
    assert process.asked_back == {1: None}
    # It is used again, and so the other goes.
    memory.report(1, Use(loaded=True))
    memory.claim(claim(4, 50))
    assert process.asked_back[1] is None
    assert process.asked_back[2] is not None
