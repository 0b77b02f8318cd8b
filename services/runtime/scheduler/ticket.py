"""What waits: tickets, and the rules under which they wait."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from services.runtime.urgency import Urgency

LEVELS = (0, 1, 2)

Outcome = Literal[
    "dispatched",
    "rejected_capacity",
    "rejected_model",
    "evicted_deadline",
    "evicted_cancelled",
]

#: Costs are kept between these, so that a wrong one can neither pass for free nor bar its key.
MIN_COST, MAX_COST = 1e-3, 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """What the scheduler knows of a request. Each request has a ticket of its own.

    `deadline` is in seconds of the scheduler's clock. `cost` is an estimate in the capability's
    own unit (tokens, audio seconds, pixels), relative to the capability's other requests. `batch`
    says which tickets for the same model may share a turn; None for none.
    """

    model: str
    priority: int
    key: str = ""
    deadline: float | None = None
    cost: float = 1.0
    request_id: str = ""
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a queue. Times in seconds, by level where they are tuples."""

    max_wait: tuple[float, float, float] = (math.inf, 30.0, 120.0)
    """After waiting so long, nobody but level 0 goes before a ticket for its level or for what is
    in memory. Level 0 has no one above it; its own bound means nothing."""
    max_run: int = 16
    """Once overdue tickets force a change of model, this many of the new model's tickets may go
    before the next change: without, an overloaded queue would do nothing but load."""
    affinity: bool = True
    """Whether level 1 serves models in memory first."""
    fair: bool = True
    """Whether the keys inside levels 1 and 2 take turns by what they have been served."""
    max_queued: int = 128
    """Tickets of levels 1 and 2 that may wait together."""
    max_queued_per_level: tuple[int, int, int] = (64, 128, 128)
    """Tickets of each level that may wait. Level 0 has its own room, whatever the others take."""
    max_per_key: int = 0
    """Turns one key may have at once; 0 sets no bound."""
    urgent_slots: int = 0
    """Places beyond the slots that level 0 alone may take: for engines that let it pass those at
    work, step by step."""
    max_batch: int = 1
    """Tickets that may share one turn."""


class Models(Protocol):
    """The memory, as far as the queue goes."""

    def is_ready(self, model: str) -> bool:
        """Whether a turn for the model could begin now."""

    def load_seconds(self, model: str) -> float:
        """How long a load takes that is not waiting for memory; 0 where the model is ready."""

    def hold(self, model: str) -> None:
        """Keeps a ready model in memory until `release`."""

    def release(self, model: str) -> None:
        """A turn has ended."""

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        """The models that the next turns need and that are not ready. Replaces what was said."""


class Observer(Protocol):
    """Hears of the queue; metrics implement it."""

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        """A ticket did not wait: it was dispatched or rejected at once."""

    def queued(self, ticket: Ticket) -> None:
        """A ticket began to wait."""

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        """A ticket that was `queued` waits no longer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One ticket as shown to people: where it stands and how long it will still take to begin."""

    ticket: Ticket
    running: bool
    seconds: float
    """Since it began to wait, or to run."""
    position: int
    """Tickets that go before it as things are; 0 is next."""
    estimated_wait: float


def cost_of(ticket: Ticket) -> float:
    """The ticket's cost, made harmless."""
    return harmless(ticket.cost)


def harmless(cost: float) -> float:
    """A cost with no zero, no infinity and no NaN."""
    return min(max(cost, MIN_COST), MAX_COST) if cost == cost else 1.0
