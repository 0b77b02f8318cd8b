"""Asks a training to stop, rather than killing it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody wants the training to stop."""

    wanted = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Makes the first SIGINT or SIGTERM a wish; the second does what it always does."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def wish(_number: int, _frame: FrameType | None) -> None:
        stop.wanted = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, wish)
    try:
        yield stop
    finally:
        restore()
