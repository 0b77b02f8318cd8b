"""A model on its way into memory, in it, and on its way out."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Literal, Protocol, TypeVar

from services.runtime.errors import OrfeonError
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency

M = TypeVar("M")

#: Why a model left memory: others needed its place, nobody used it, someone asked, the end.
Reason = Literal["evicted", "idle", "asked", "closed"]


class State(Enum):
    """Where a model is in its life."""

    UNLOADED = "unloaded"
    WAITING = "waiting"
    """For memory."""
    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"
    FAILED = "failed"
    """The last load failed; the next request tries again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A model in memory, as shown to people. Times are Unix seconds."""

    state: State
    progress: float = 0.0
    """0 to 1 while loading: by time, as long as the last load took or its size lets expect."""
    bytes: int = 0
    device: str = ""
    gpu_layers: int = 0
    """Layers on the GPU where the model is split; -1 for all, 0 for none."""
    since: float = 0.0
    in_use: int = 0
    """Requests that work with it now."""
    expires: float | None = None
    """When it goes if nobody uses it until then; None for never."""
    pinned: bool = False


class Listener(Protocol):
    """Whoever waits for models: the scheduler."""

    def loaded(self, model: str) -> None:
        """A model has come into memory."""

    def failed(self, model: str, error: OrfeonError) -> None:
        """A model cannot be had now."""

    def goes_first(self, model: str, other: Urgency) -> bool:
        """Whether someone waits for a model who goes before whoever wants its memory."""

    def changed(self) -> None:
        """Something else is different: look again."""


class Observer(Protocol):
    """Hears of memory; metrics implement it. Times in seconds."""

    def waited(self, name: str, level: int, seconds: float) -> None:
        """A model's claim for memory was granted."""

    def loaded(self, name: str, seconds: float, size: int) -> None:
        """A model came into memory."""

    def load_failed(self, name: str) -> None:
        """A model's load failed or took too long."""

    def unloaded(self, name: str, reason: Reason, unreturned: int) -> None:
        """A model left memory; `unreturned` of its bytes did not come back."""


@dataclass(eq=False, slots=True)
class Resident(Generic[M]):
    """One model, from the claim for its memory to the memory's return. Times of one clock."""

    id: int
    name: str
    footprint: Footprint
    urgency: Urgency
    asked: float
    evict: bool
    state: State = State.WAITING
    placement: Placement | None = None
    model: M | None = None
    holds: int = 0
    leaving: Reason | None = None
    """Set once it takes no new work."""
    wanted: Urgency | None = None
    """How urgently someone else waits for its memory."""
    load_began: float = 0.0
    loaded_at: float = 0.0
    """Unix seconds."""
    idle_since: float | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        """Whether it takes work."""
        return self.state is State.LOADED and self.leaving is None


class NoListener:
    """For a residency that nobody waits for but its own callers."""

    def loaded(self, model: str) -> None:
        """Nothing to do."""

    def failed(self, model: str, error: OrfeonError) -> None:
        """Nothing to do."""

    def goes_first(self, model: str, other: Urgency) -> bool:
        """Nobody waits."""
        return False

    def changed(self) -> None:
        """Nothing to do."""


@dataclass(slots=True)
class Expected:
    """How long loads take, by model, in seconds: the last one, or a guess by size."""

    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, name: str, size: int) -> float:
        """Seconds that a load will take."""
        return self.seconds.get(name, 0.2 + size / 500e6)
