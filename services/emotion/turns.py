"""The turns of one request, with the model asked for or with a faster one in its stead: plan B.

Long work takes a turn for each stretch, so that urgent requests get in between.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, cast

from services.emotion.diarization import AudioModel
from services.emotion.engine import EmotionModel
from services.runtime.context import RequestContext
from services.runtime.errors import DeadlineExceeded, ModelNotFound, Overloaded
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest

TASK = "classification"

Why = Literal["asked", "deadline", "queue"]


class Fallback(Enum):
    """When a faster model answers in the stead of the one asked for."""

    IF_NEEDED = 0
    NEVER = 1
    ALWAYS = 2


class Paces:
    """How long models take for a second of sound, in seconds, learned from what they did."""

    #: Weight of the newest in the running mean, and what is believed of a model before.
    _NEW, _GUESS = 0.2, 0.03

    def __init__(self) -> None:
        self._paces: dict[str, float] = {}

    def learn(self, model: str, seconds: float, took: float) -> None:
        """A model took so long for so many seconds of sound."""
        if seconds > 0:
            before = self._paces.get(model, took / seconds)
            self._paces[model] = before + self._NEW * (took / seconds - before)

    def needed(self, model: str, seconds: float) -> float:
        """What it will take for so many seconds of sound."""
        return self._paces.get(model, self._GUESS) * seconds


class Lane:
    """Where faster models work, beside the queue: `wide` requests at a time, and `most` in all."""

    def __init__(self, host: ModelHost[AudioModel], *, wide: int, most: int) -> None:
        self._host = host
        self._places = asyncio.Semaphore(wide)
        self._most = most
        self._here = 0

    @asynccontextmanager
    async def place(self, context: RequestContext, name: str) -> AsyncIterator[EmotionModel]:
        """Waits for a place. Raises `Overloaded`, `DeadlineExceeded`, and what loading raises."""
        if self._here >= self._most:
            raise Overloaded(
                "Too many requests are waiting, for the fallback too; try again shortly.",
                retry_after=1.0,
            )
        self._here += 1
        try:
            async with AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(context.timeout()):
                        await held.enter_async_context(self._places)
                except TimeoutError:
                    raise DeadlineExceeded(
                        "The time allowed ran out while the request waited for its turn."
                    ) from None
                beside = await held.enter_async_context(self._host.beside(context, name, task=TASK))
                yield cast(EmotionModel, beside.model)
        finally:
            self._here -= 1


@dataclass(slots=True)
class Given:
    """A model for one turn, and about how many seconds are heard in it: set what is known."""

    model: EmotionModel
    seconds: float


class Turns:
    """What one request works with. `seconds` is about how much there is to hear in all."""

    def __init__(
        self,
        host: ModelHost[AudioModel],
        lane: Lane,
        paces: Paces,
        context: RequestContext,
        manifest: Manifest,
        fallback: Fallback,
        seconds: float,
    ) -> None:
        self._host = host
        self._lane = lane
        self._paces = paces
        self._context = context
        self._seconds = seconds
        self._stand_in = self._named_by(manifest) if fallback is not Fallback.NEVER else None
        self.manifest = manifest
        """The model that answers."""
        self.fallback_for = ""
        """The model that was asked for, where another answers."""
        self.queue_seconds = 0.0
        """How long turns were waited for."""
        self._begun = False
        if fallback is Fallback.ALWAYS and self._stand_in is not None:
            self._give_way("asked")

    @asynccontextmanager
    async def next(self, seconds: float) -> AsyncIterator[Given]:
        """Waits for a turn to hear so many seconds. Raises what `ModelHost.lease` raises.

        The first decides which model answers: the faster one where the queue is full, or where the
        turn does not come while there is still time enough for the model asked for.
        """
        asked = time.monotonic()
        async with AsyncExitStack() as held:
            try:
                model = await self._entered(held, seconds)
            finally:
                self.queue_seconds += time.monotonic() - asked
            self._begun = True
            given, began = Given(model, seconds), time.monotonic()
            yield given
            self._paces.learn(self.manifest.name, given.seconds, time.monotonic() - began)

    async def _entered(self, held: AsyncExitStack, seconds: float) -> EmotionModel:
        if not self.fallback_for and self._stand_in is not None and not self._begun:
            try:
                return await self._leased(held, seconds, self._in_time())
            except Overloaded:
                self._give_way("queue")
            except DeadlineExceeded:
                self._give_way("deadline")
        if self.fallback_for:
            place = self._lane.place(self._context, self.manifest.name)
            return await held.enter_async_context(place)
        return await self._leased(held, seconds, self._context)

    async def _leased(
        self, held: AsyncExitStack, seconds: float, context: RequestContext
    ) -> EmotionModel:
        lease = self._host.lease(context, self.manifest.name, task=TASK, cost=seconds)
        # The task decides what kind of model is leased; types cannot say so.
        return cast(EmotionModel, (await held.enter_async_context(lease)).model)

    def _in_time(self) -> RequestContext:
        """The request as if it ended as much earlier as the model needs."""
        if self._context.deadline is None:
            return self._context
        needed = self._paces.needed(self.manifest.name, self._seconds)
        return replace(self._context, deadline=self._context.deadline - needed)

    def _give_way(self, why: Why) -> None:
        assert self._stand_in is not None
        self.fallback_for, self.manifest = self.manifest.name, self._stand_in
        self._host.metrics.stood_in(self.manifest.name, self.fallback_for, why)

    def _named_by(self, manifest: Manifest) -> Manifest | None:
        """The faster model, where there is one and it tells the same labels."""
        name = manifest.options.get("fallback")
        if name is None:
            return None
        try:
            found = self._host.registry.resolve(str(name), TASK)
        except ModelNotFound:
            return None
        return found if set(found.labels) == set(manifest.labels) else None
