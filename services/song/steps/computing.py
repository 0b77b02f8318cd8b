"""Long computations of our own, which nobody has to wait for once their song is cancelled."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from services.runtime import worker
from services.runtime.worker import Cancellation

T = TypeVar("T")


async def computed(function: Callable[[Cancellation], T]) -> T:
    """Calls `function` in a thread; it must do nothing but compute.

    Cancelling the caller tells it to stop and does not wait: over the sound of a long song it may
    not look for seconds, and what it finds is nobody's any more.
    """
    cancellation = Cancellation()
    try:
        return await worker.apart(lambda: function(cancellation))
    except asyncio.CancelledError:
        cancellation.set()
        raise
