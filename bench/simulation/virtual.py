"""An event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class NothingLeft(RuntimeError):
    """Everything waits and no timer is set, so that nothing can ever happen again."""


class _Jump(selectors.SelectSelector):
    """Where an event loop would sleep until its next timer, this moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Takes no time. Raises `NothingLeft` when asked to wait for ever."""
        if timeout is None:
            raise NothingLeft(f"Nothing is ready and no timer is set at {self.now:.3f} s.")
        if timeout > 0:
            self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines in virtual seconds, starting at 0. Knows no files, sockets or threads."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jump.now


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Runs `main()` to its end in a virtual loop. Raises what it raises, and `NothingLeft`."""

    async def begin() -> T:
        return await main()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(begin())
