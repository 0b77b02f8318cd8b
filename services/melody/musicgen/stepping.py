"""Work that calls back after each step, as an iterator of its steps."""

import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class _Stopped(Exception):
    """Raised in the work, where it calls back, once nobody wants its steps any more."""


class Stepping(Generic[T]):
    """Iterating takes the steps of `work`, in a thread of its own.

    The thread waits in each step for the next to be asked for. Closing the iterator ends the work
    at the step it is in.

    `work` is given what to call after each step, and its value is `result` after the last.
    """

    result: T

    def __init__(self, work: Callable[[Callable[[], None]], T]) -> None:
        self._work = work
        self._stepped: SimpleQueue[bool] = SimpleQueue()
        self._onward = threading.Semaphore(0)
        self._stopped = False
        self._error: BaseException | None = None

    def __iter__(self) -> Generator[None]:
        thread = threading.Thread(target=self._run, name="stepping")
        thread.start()
        try:
            while self._stepped.get():
                yield
                self._onward.release()
        finally:
            self._stopped = True
            self._onward.release()
            thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.result = self._work(self._step)
        except _Stopped:
            pass
        except BaseException as error:
            self._error = error
        self._stepped.put(False)

    def _step(self) -> None:
        self._stepped.put(True)
        self._onward.acquire()
        if self._stopped:
            raise _Stopped
