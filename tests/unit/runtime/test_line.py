"""The order of those who wait, case by case; test_line_properties.py has the laws."""

import itertools
import math

import pytest

from services.runtime.scheduler.lanes import Waiting
from services.runtime.scheduler.line import Line
from services.runtime.scheduler.ticket import Policy, Ticket
from services.runtime.urgency import Urgency

EAGER = Policy(max_wait=(math.inf, 10.0, 30.0), max_run=2)


class Queue:
    """A line under test, in which tickets have names."""

    def __init__(self, policy: Policy = EAGER, ready: str = "") -> None:
        self.now = 0.0
        self.ready = set(ready.split())
        self.policy = policy
        self.line = Line(policy, self.ready.__contains__)
        self._arrivals = itertools.count()
        self._names: dict[Waiting, str] = {}

    def add(
        self, name: str, level: int = 1, model: str = "m", *, key: str = "", cost: float = 1.0
    ) -> Waiting:
        urgency = Urgency(level, self.now, self.now + self.policy.max_wait[level])
        ticket = Ticket(model, level, key, cost=cost, batch="b")
        waiting = Waiting(ticket, next(self._arrivals), urgency)
        self._names[waiting] = name
        self.line.add(waiting)
        return waiting

    def take(self) -> str:
        """Gives the next ticket its turn, loading its model as need be; the turn ends at once."""
        waiting = self.line.next(self.now)
        assert waiting is not None
        model = waiting.ticket.model
        if model not in self.ready:
            self.ready.clear()
            self.ready.add(model)
            self.line.loaded(model)
        self.line.take(waiting)
        self.line.end(waiting.ticket, None)
        return self._names[waiting]

    def take_all(self) -> str:
        return " ".join(self.take() for _ in range(len(self.line)))


def test_lower_levels_go_first_and_each_level_keeps_its_order() -> None:
    queue = Queue()
    for name, level in [("c1", 2), ("b1", 1), ("a1", 0), ("b2", 1), ("a2", 0), ("c2", 2)]:
        queue.add(name, level)
    assert queue.take_all() == "a1 a2 b1 b2 c1 c2"


@pytest.mark.parametrize(("level", "first"), [(0, "cold"), (1, "warm"), (2, "cold")])
def test_only_level_1_prefers_models_in_memory(level: int, first: str) -> None:
    queue = Queue(ready="loaded")
    queue.add("cold", level, "unloaded")
    queue.add("warm", level, "loaded")
    assert queue.take() == first


def test_what_is_overdue_goes_before_what_is_in_memory() -> None:
    queue = Queue(ready="loaded")
    queue.add("old", 1, "unloaded")
    queue.now = 10.0
    queue.add("new", 1, "loaded")
    queue.line.loaded("loaded")
    # Its model was just loaded, so `new` is still within that model's run.
    assert queue.take() == "new"
    queue.add("newer", 1, "loaded")
    queue.add("newest", 1, "loaded")
    assert queue.take_all() == "newer old newest"


def test_an_urgent_ticket_goes_before_an_overdue_one() -> None:
    queue = Queue()
    queue.add("old", 2)
    queue.now = 1000.0
    queue.add("urgent", 0)
    assert queue.take_all() == "urgent old"


def test_level_2_joins_level_1_in_time_to_be_served_by_its_max_wait() -> None:
    queue = Queue(ready="loaded")
    queue.add("background", 2, "loaded")
    queue.now = 19.0
    queue.add("cold", 1, "unloaded")
    assert queue.line.goes_first("loaded", Urgency(1, 19.0, 29.0), queue.now) is False
    queue.now = 20.0
    assert queue.line.goes_first("loaded", Urgency(1, 19.0, 29.0), queue.now) is True
    assert queue.take_all() == "background cold"


def test_overdue_tickets_of_two_models_change_models_only_once_a_run() -> None:
    queue = Queue(ready="x")
    for number in range(4):
        queue.add(f"x{number}", 1, "x")
        queue.add(f"y{number}", 1, "y")
    queue.now = 100.0
    queue.line.loaded("x")
    assert queue.take_all() == "x0 x1 y0 y1 x2 x3 y2 y3"


def test_keys_take_turns_by_what_they_cost() -> None:
    queue = Queue()
    for number in range(3):
        queue.add(f"heavy{number}", key="heavy", cost=10)
    for number in range(3):
        queue.add(f"light{number}", key="light", cost=5)
    assert queue.take_all() == "heavy0 light0 light1 heavy1 light2 heavy2"


def test_a_key_that_comes_later_has_no_claim_on_the_past() -> None:
    queue = Queue()
    for number in range(4):
        queue.add(f"old{number}", key="old")
    assert [queue.take(), queue.take()] == ["old0", "old1"]
    for number in range(2):
        queue.add(f"new{number}", key="new")
    assert queue.take_all() == "new0 old2 new1 old3"


def test_a_turn_that_took_more_than_it_said_is_paid_for_later() -> None:
    queue = Queue()
    running = queue.add("running", key="a")
    queue.line.take(running)
    queue.line.end(running.ticket, None)
    first = queue.add("a1", key="a")
    queue.line.take(first)
    queue.add("b1", key="b")  # Somebody waits, so the past is not forgotten.
    queue.line.end(first.ticket, 100.0)
    queue.add("a2", key="a")
    queue.add("b2", key="b")
    queue.add("b3", key="b")
    assert queue.take_all() == "b1 b2 b3 a2"


def test_without_fairness_arrival_decides() -> None:
    queue = Queue(Policy(fair=False))
    for number in range(3):
        queue.add(f"heavy{number}", key="heavy")
    queue.add("light", key="light")
    assert queue.take_all() == "heavy0 heavy1 heavy2 light"


def test_level_0_is_first_come_first_served_whoever_asks() -> None:
    queue = Queue()
    for number in range(3):
        queue.add(f"heavy{number}", 0, key="heavy", cost=100)
    queue.add("light", 0, key="light")
    assert queue.take_all() == "heavy0 heavy1 heavy2 light"


@pytest.mark.parametrize("cost", [0.0, -1.0, math.inf, math.nan])
def test_a_senseless_cost_neither_passes_for_free_nor_bars_its_key(cost: float) -> None:
    queue = Queue()
    for number in range(3):
        queue.add(f"odd{number}", key="odd", cost=cost)
    queue.add("plain", key="plain")
    assert queue.take() == "odd0"
    assert sorted(queue.take_all().split()) == ["odd1", "odd2", "plain"]


def test_a_key_with_all_its_turns_is_passed_over_until_one_ends() -> None:
    queue = Queue(Policy(max_per_key=1))
    first = queue.add("first", key="a")
    queue.line.take(first)
    second = queue.add("second", key="a")
    other = queue.add("other", key="b")
    assert queue.line.next(0.0) is other
    queue.line.take(other)
    assert queue.line.next(0.0) is None
    queue.line.end(first.ticket, None)
    assert queue.line.next(0.0) is second


def test_tickets_that_batch_are_found_in_order() -> None:
    queue = Queue()
    first = queue.add("first", 2)
    second = queue.add("second", 2)
    urgent = queue.add("urgent", 0)
    queue.add("elsewhere", 0, "other")
    assert queue.line.next_to_share(first.ticket) is urgent
    queue.line.take(urgent)
    queue.line.take(first)
    assert queue.line.next_to_share(first.ticket) is second


@pytest.mark.parametrize(
    ("waits", "other", "goes"),
    [
        (None, Urgency(2, 0.0), False),
        (2, Urgency(0, 0.0), False),
        (2, Urgency(1, 0.0), False),
        (2, Urgency(2, -1.0), False),
        (2, Urgency(2, 1.0), True),
        (1, Urgency(0, 0.0), False),
        (1, Urgency(1, -1.0), True),
        (1, Urgency(2, -1.0), True),
        (1, Urgency(1, -20.0, -10.0), False),
        (0, Urgency(0, -1.0), False),
        (0, Urgency(0, 1.0), True),
        (0, Urgency(1, -20.0, -10.0), True),
    ],
)
def test_work_elsewhere_waits_for_the_same_reasons_as_a_cold_model_here(
    waits: int | None, other: Urgency, goes: bool
) -> None:
    queue = Queue(Policy(max_run=0), ready="m")
    if waits is not None:
        queue.add("here", waits)
    assert queue.line.goes_first("m", other, 0.5) is goes


def test_everything_is_forgotten_once_nobody_is_there() -> None:
    queue = Queue()
    tickets = [queue.add(str(n), n % 3, f"m{n % 2}", key=f"k{n % 5}") for n in range(60)]
    for waiting in tickets[::2]:
        queue.line.remove(waiting)
    queue.take_all()
    assert (len(queue.line), queue.line.counts, queue.line.backlogs) == (0, [0, 0, 0], ({}, {}, {}))
    assert queue.line.next(1e9) is None


def test_level_2_must_not_be_less_patient_than_level_1() -> None:
    with pytest.raises(ValueError, match="max_wait"):
        Line(Policy(max_wait=(math.inf, 30.0, 10.0)), lambda _: True)


def test_tickets_that_were_cancelled_give_their_key_nothing() -> None:
    queue = Queue(Policy(), ready="m")
    gone = [queue.add(f"gone{n}", key="k") for n in range(10)][1:]
    for waiting in gone:
        queue.line.remove(waiting)
    for number in range(4):
        queue.add(f"k{number}", key="k")
        queue.add(f"l{number}", key="l")
    assert queue.take_all() == "gone0 l0 k0 l1 k1 l2 k2 l3 k3"


def test_a_key_that_waits_for_its_model_keeps_its_place_meanwhile() -> None:
    queue = Queue(Policy(max_run=0), ready="warm")
    for number in range(3):
        queue.add(f"k{number}", model="cold", key="k")
    for number in range(6):
        queue.add(f"l{number}", model="warm", key="l")
    assert [queue.take() for _ in range(3)] == ["l0", "l1", "l2"]
    queue.ready.add("cold")
    # It has been served nothing, the other three times: now it catches up.
    assert queue.take_all() == "k0 k1 k2 l3 l4 l5"
