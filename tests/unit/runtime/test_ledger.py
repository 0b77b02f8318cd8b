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
