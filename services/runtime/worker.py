"""Runs blocking engines in threads, so that they can be awaited, streamed and cancelled.

A slot or a lease must not be given to the next request while a thread still uses the model.
Therefore everything here returns only once its thread has ended: cancelling asks the engine to
stop at its next step and waits for that.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar, cast

T = TypeVar("T")


class Cancellation:
    """Tells a blocking engine that nobody wants its answer any more."""

    __slots__ = ("_set", "_then")

    def __init__(self) -> None:
        self._set = False
        self._then: list[Callable[[], object]] = []

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        return self._set

    def set(self) -> None:
        """Asks the engine to stop at its next step."""
        self._set = True
        for call in self._then:
            call()

    def on_set(self, call: Callable[[], object]) -> None:
        """Has `call` called once this is set, from whatever thread sets it; at once if it is.

        Where both happen at the same moment it may be called twice.
        """
        self._then.append(call)
        if self._set:
            call()


async def run(function: Callable[[Cancellation], T]) -> T:
    """Calls `function` in a thread. Cancelling the caller sets the `Cancellation` it was given."""
    cancellation = Cancellation()
    thread = asyncio.ensure_future(asyncio.to_thread(function, cancellation))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        cancellation.set()
        await _ended(thread)
        raise


async def apart(function: Callable[[], T]) -> T:
    """Calls `function` in a thread of its own, which may hang without keeping others waiting.

    Cancelling the caller does not stop it, and the process may end without it.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(cast(T, result))

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # The loop has closed: nobody waits any more.
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True, name="apart").start()
    return await ended


class _End:
    """What follows the last item of a stream: nothing, or the exception that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@asynccontextmanager
async def stream(
    function: Callable[[Cancellation], Iterator[T]], ahead: int = 16
) -> AsyncIterator[AsyncIterator[T]]:
    """Iterates over `function`'s items, made in a thread at most `ahead` items early.

    `async with stream(f) as items: async for item in items: ...`. Leaving the block for any
    reason cancels the iteration and waits for its thread.
    """
    loop = asyncio.get_running_loop()
    cancellation = Cancellation()
    items: asyncio.Queue[T | _End] = asyncio.Queue()
    room = threading.Semaphore(ahead)

    def produce() -> None:
        end = _End()
        try:
            for item in function(cancellation):
                room.acquire()
                if cancellation.is_set:
                    break
                loop.call_soon_threadsafe(items.put_nowait, item)
        except BaseException as error:
            end = _End(error)
        loop.call_soon_threadsafe(items.put_nowait, end)

    async def consume() -> AsyncIterator[T]:
        while True:
            item = await items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            room.release()
            yield item

    thread = asyncio.ensure_future(asyncio.to_thread(produce))
    try:
        yield consume()
    finally:
        cancellation.set()
        room.release()  # The thread may be waiting for room that nobody will make.
        await _ended(thread)


async def _ended(thread: asyncio.Future[T]) -> None:
    """Waits for a thread through any further cancellation; its outcome does not matter here."""
    while not thread.done():
        try:
            await asyncio.wait([thread])
        except asyncio.CancelledError:
            continue
    if not thread.cancelled():
        thread.exception()  # Retrieved, so that asyncio does not report it as lost.
