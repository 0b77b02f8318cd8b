"""From the loop's thread to whoever waits in asyncio: one call a step for all that was told."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Generic, TypeVar

from services.runtime.errors import OrfeonError

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Belongs to the running event loop, in which alone it is read."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._letters: asyncio.Queue[T | OrfeonError] = asyncio.Queue()

    def put(self, letter: T | OrfeonError) -> None:
        """Called in the event loop."""
        self._letters.put_nowait(letter)

    async def get(self) -> T:
        """The next letter. Raises the error that came instead."""
        letter = await self._letters.get()
        if isinstance(letter, OrfeonError):
            raise letter
        return letter


class Post(Generic[T]):
    """Letters that wait for the end of a step. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.AbstractEventLoop, list[tuple[Mailbox[T], T | OrfeonError]]]
        self._waiting = {}

    def add(self, mailbox: Mailbox[T], letter: T | OrfeonError) -> None:
        """Keeps a letter until `send`."""
        self._waiting.setdefault(mailbox.loop, []).append((mailbox, letter))

    def send(self) -> None:
        """Delivers everything, in order."""
        for loop, letters in self._waiting.items():
            with contextlib.suppress(RuntimeError):  # The loop has closed: nobody waits any more.
                loop.call_soon_threadsafe(_deliver, letters)
        self._waiting = {}


def _deliver(letters: Iterable[tuple[Mailbox[T], T | OrfeonError]]) -> None:
    for mailbox, letter in letters:
        mailbox.put(letter)
