"""Long computations of our own, which nobody has to wait for once their song is cancelled."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from services.runtime import worker
from services.runtime.reclaim import trim
from services.runtime.worker import Cancellation

T = TypeVar("T")


async def computed(function: Callable[[Cancellation], T]) -> T:
    """Calls `function` in a thread; it must do nothing but compute.

    Cancelling the caller tells it to stop and does not wait: over the sound of a long song it may
    not look for seconds, and what it finds is nobody's any more.
    """
    cancellation = Cancellation()

    def compute() -> T:
        try:
            return function(cancellation)
        finally:
            # A long song takes hundreds of megabytes in between, which nobody needs until the next.
            trim()

    try:
        return await worker.apart(compute)
    except asyncio.CancelledError:
        cancellation.set()
        raise
