"""What a library tells by calling back, as an iterator."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from services.runtime.errors import Cancelled

T = TypeVar("T")


def told(work: Callable[[Callable[[T], None]], None]) -> Iterator[T]:
    """Yields whatever `work` tells by calling what it is given, and raises what it raises.

    `work` runs in a thread of its own. Once the iterator is left, the next call raises `Cancelled`
    there, and the iterator ends when the thread has.
    """
    items: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()
    failures: list[BaseException] = []
    left = threading.Event()

    def tell(item: T) -> None:
        if left.is_set():
            raise Cancelled("Nobody listens any more.")
        items.put((item,))

    def run() -> None:
        try:
            work(tell)
        except BaseException as error:
            failures.append(error)
        items.put(None)

    thread = threading.Thread(target=run, daemon=True, name="told")
    thread.start()
    try:
        while (item := items.get()) is not None:
            yield item[0]
    finally:
        left.set()
        thread.join()
    if failures:
        raise failures[0]
