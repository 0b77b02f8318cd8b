"""Asks a service again when it dies on a request of which the client has seen nothing yet.

A request that has been accepted is not lost with the process that worked on it: the supervisor or
the cluster starts another, and the gateway still has all that was sent.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Literal, Protocol, TypeVar

from services.runtime.context import RequestContext
from services.runtime.errors import OrfeonError, ServiceUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A request that kills whoever works on it must not do so for ever.
TRIES = 3

#: Seconds between two questions whether a service is back.
PAUSE = 0.1

#: How a further try ended; `abandoned`: the service did not come back in time.
Outcome = Literal["answered", "failed", "abandoned"]


class Services(Protocol):
    """What is known of the services' health."""

    def lost_for(self, capability: str) -> float:
        """Seconds since the service could last be reached: 0 while it can, inf if never."""

    async def is_serving(self, capability: str) -> bool:
        """Whether the service takes requests now."""

    def answered(self, capability: str) -> None:
        """The service has answered a call."""


class Observer(Protocol):
    """Hears of further tries; metrics implement it."""

    def retried(self, capability: str, outcome: Outcome) -> None:
        """A further try has ended."""


class Retries:
    """Tries again for up to `seconds` after the first failure, and never past the deadline.

    A service that has been away for longer than that, or has never been there, is not waited for.
    """

    def __init__(
        self,
        services: Services,
        observer: Observer,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._services = services
        self._observer = observer
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._asking: dict[str, asyncio.Task[bool]] = {}

    async def whole(
        self, capability: str, context: RequestContext, attempt: Callable[[], Awaitable[T]]
    ) -> T:
        """What an attempt returns. Raises the `OrfeonError` of the last one."""
        tries = _Tries(self, capability, context)
        while True:
            try:
                answer = await attempt()
            except OrfeonError as error:
                await tries.failed(error)
            else:
                tries.answered()
                return answer

    async def pieces(
        self,
        capability: str,
        context: RequestContext,
        attempt: Callable[[], AsyncGenerator[T, None]],
    ) -> AsyncGenerator[T, None]:
        """What an attempt yields. After the first piece there is no other attempt."""
        tries = _Tries(self, capability, context)
        while True:
            begun = False
            try:
                async with aclosing(attempt()) as pieces:
                    async for piece in pieces:
                        if not begun:
                            begun = True
                            tries.answered()
                        yield piece
                return
            except OrfeonError as error:
                if begun:
                    raise
                await tries.failed(error)

    async def back(self, capability: str, until: float) -> bool:
        """Waits for a service to serve; False if it does not by `until`, in the clock's seconds.

        Those who wait go on together, in the order in which they came. Were they to come one by
        one, what others ask for between them could cost a change of models for each.
        """
        while self._clock() + PAUSE < until:
            asking = self._asking.get(capability)
            if asking is None or asking.done():
                asking = asyncio.create_task(self._ask(capability))
                self._asking[capability] = asking
            # Others wait for the same answer, even if this one's client leaves.
            if await asyncio.shield(asking):
                return True
        return False

    async def _ask(self, capability: str) -> bool:
        await self._sleep(PAUSE)
        return await self._services.is_serving(capability)

    def until(self, capability: str, context: RequestContext) -> float | None:
        """When to give up a request that fails now for the first time; None for at once."""
        if self._services.lost_for(capability) >= self._seconds:
            return None
        end = self._clock() + self._seconds
        return end if context.deadline is None else min(end, context.deadline)

    def answered(self, capability: str) -> None:
        """A try was answered."""
        self._services.answered(capability)

    def ended(self, capability: str, outcome: Outcome) -> None:
        """A further try has ended."""
        self._observer.retried(capability, outcome)


class _Tries:
    """The tries of one request."""

    def __init__(self, retries: Retries, capability: str, context: RequestContext) -> None:
        self._retries = retries
        self._capability = capability
        self._context = context
        self._number = 1
        self._until: float | None = None

    def answered(self) -> None:
        self._retries.answered(self._capability)
        if self._number > 1:
            self._retries.ended(self._capability, "answered")

    async def failed(self, error: OrfeonError) -> None:
        """Returns when it is time for another try; raises `error` if there is to be none."""
        if self._number > 1:
            self._retries.ended(self._capability, "failed")
        # Its subclasses are about a model, and the model would be no better at the next try.
        if type(error) is not ServiceUnavailable or self._number == TRIES:
            raise error
        if self._until is None:
            self._until = self._retries.until(self._capability, self._context)
        if self._until is None:
            raise error
        if not await self._retries.back(self._capability, self._until):
            self._retries.ended(self._capability, "abandoned")
            raise error
        self._number += 1
        log.warning("asking again", extra={"capability": self._capability, "try": self._number})
