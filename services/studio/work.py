"""One thing at a time that somebody waits for in a page, and may stop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine


class Work:
    """What runs for one session of a browser.

    It runs beside the event that began it, so another event can stop it; whoever leaves the page
    takes it with them.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def run(
        self, job: Coroutine[None, None, None], pause: Callable[[], float]
    ) -> AsyncGenerator[None, None]:
        """Does a job, and yields every `pause()` seconds and once more when it has ended.

        What ran before is stopped. A job that is stopped ends as one that is done. Raises what the
        job raised.
        """
        await self.end()
        task = self._task = asyncio.create_task(job)
        try:
            ended = False
            while not ended:
                await asyncio.wait({task}, timeout=pause())
                # Looked at before: what ends while the caller has its turn is told by another.
                ended = task.done()
                yield
            if not task.cancelled():
                task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    def stop(self) -> None:
        """Stops what runs, if anything does: its calls to the gateway end with it.

        May be called from any thread.
        """
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def end(self) -> None:
        """The same, from the thread that it runs in, and waits until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
