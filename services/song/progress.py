"""How far the songs are that are being made, and how long the rest will take."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Seconds that steps took when they were measured, until there is experience; see docs/songs.md.
_TYPICAL = {"emotion": 0.5, "lyrics": 8.0, "melody": 10.0, "vocals": 8.0, "mix": 8.0}
#: How many songs the mean is of.
_MEMORY = 20


class Pace:
    """How long each step takes: the mean of the last songs."""

    def __init__(self) -> None:
        self._taken: Mapping[str, deque[float]] = {step: deque(maxlen=_MEMORY) for step in _TYPICAL}

    def took(self, step: str, seconds: float) -> None:
        """A step has been made."""
        self._taken[step].append(seconds)

    def now(self) -> "Times":
        """What each step takes, as things are."""
        return Times(
            {
                step: sum(taken) / len(taken) if taken else _TYPICAL[step]
                for step, taken in self._taken.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds by step."""

    seconds: Mapping[str, float]

    def left(self, steps: Sequence[str], at: str, share: float) -> float:
        """Seconds until all `steps` are made, of which `at` is made to the `share`, 0 to 1."""
        following = steps[steps.index(at) + 1 :]
        return self.seconds[at] * (1.0 - share) + sum(self.seconds[step] for step in following)

    def done(self, steps: Sequence[str], at: str, share: float) -> float:
        """The share of the whole that is done, 0 to 1."""
        whole = sum(self.seconds[step] for step in steps)
        return 1.0 - self.left(steps, at, share) / whole


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job is: the share of a step, and the times that were expected when it began."""

    step: str
    share: float
    times: Times


class Board:
    """The jobs that are worked on in this process, and how far each is."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._watched: dict[str, set[asyncio.Event]] = {}

    def at(self, job: str) -> Place | None:
        """Where a job is; None where nobody works on it."""
        return self._places.get(job)

    def begin(self, job: str, step: str, times: Times) -> None:
        """Somebody works on a job. What it is measured by stays, so that it never goes back."""
        self._places[job] = Place(step, 0.0, times)
        self.changed(job)

    def reached(self, job: str, step: str, share: float = 0.0) -> None:
        """A step has come so far. What is made again, it does not go back for."""
        place = self._places[job]
        before = place.share if place.step == step else 0.0
        self._places[job] = Place(step, min(max(share, before), 1.0), place.times)
        self.changed(job)

    def left(self, job: str) -> None:
        """Nobody works on the job any more."""
        self._places.pop(job, None)
        self.changed(job)

    def changed(self, job: str) -> None:
        """Something about a job is different: those who wait for that are told."""
        for event in self._watched.get(job, ()):
            event.set()

    async def change(self, job: str, seconds: float) -> None:
        """Returns when something about a job changes here, or after so many seconds."""
        event = asyncio.Event()
        watchers = self._watched.setdefault(job, set())
        watchers.add(event)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            watchers.discard(event)
            if not watchers:
                self._watched.pop(job, None)
