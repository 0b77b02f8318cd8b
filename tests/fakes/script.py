"""What fake services do, and what they saw."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orfeon.api.queue.v1 import queue_pb2
from services.runtime.context import RequestContext, context_of


@dataclass
class Script:
    """What every fake does, and what it saw.

    `error` is raised after `error_after` pieces. `hold` keeps the call open after the last piece
    until the caller leaves, which sets `cancelled`. `calls` is the tool that answers call, if any.
    `gate` lets each piece of an answer through when it is released.
    `queue` is what the queue shows; `tokens` is of how many each piece of chat consists.
    """

    pieces: list[str] = field(default_factory=lambda: ["Hello", ", ", "wörld"])
    error: Exception | None = None
    error_after: int = 0
    hold: bool = False
    finishes: bool = True
    calls: str = ""
    tokens: int = 1
    gate: asyncio.Semaphore | None = None
    queue: list[queue_pb2.QueueEntry] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    contexts: list[RequestContext] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def play(self, request: Any, context: Any) -> AsyncIterator[str]:
        self.requests.append(request)
        self.contexts.append(context_of(context))
        self.started.set()
        with self.noticing():
            for number, piece in enumerate(self.pieces):
                if self.error is not None and number == self.error_after:
                    raise self.error
                if self.gate is not None:
                    await self.gate.acquire()
                yield piece
            if self.error is not None and self.error_after >= len(self.pieces):
                raise self.error
            if self.hold:
                await asyncio.Event().wait()

    @contextmanager
    def noticing(self) -> Iterator[None]:
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise
