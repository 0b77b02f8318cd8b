"""What looking keys up has given, for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class KeyCache(Generic[Key]):
    """Keys by the digests of their secrets, and digests that no key has. Safe from any thread.

    Both are fresh for `fresh` seconds; a key is known for `stale` seconds, for when nobody can be
    asked. There are at most `size` of each kind, so that who guesses drives no key out.
    """

    def __init__(self, fresh: float, stale: float, size: int, clock: Callable[[], float]) -> None:
        self._fresh = fresh
        self._stale = stale
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._found: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._wrong: OrderedDict[str, float] = OrderedDict()

    def get(self, digest: str) -> tuple[bool, Key | None]:
        """Whether it is known afresh, and what: None where no key has it."""
        oldest = self._clock() - self._fresh
        if (entry := self._found.get(digest)) is not None:
            return (True, entry[1]) if entry[0] > oldest else (False, None)
        return self._wrong.get(digest, oldest) > oldest, None

    def last_known(self, digest: str) -> Key | None:
        """The key, be it as it was some time ago."""
        entry = self._found.get(digest)
        if entry is None or self._clock() >= entry[0] + self._stale:
            return None
        return entry[1]

    def put(self, digest: str, key: Key | None) -> None:
        """Remembers what was found; None where nothing was."""
        with self._lock:
            self._found.pop(digest, None)
            self._wrong.pop(digest, None)
            if key is None:
                self._wrong[digest] = self._clock()
                _shorten(self._wrong, self._size)
            else:
                self._found[digest] = (self._clock(), key)
                _shorten(self._found, self._size)

    def drop(self, digest: str) -> None:
        """Forgets what was found, or not found."""
        with self._lock:
            self._found.pop(digest, None)
            self._wrong.pop(digest, None)


def _shorten(
    entries: "OrderedDict[str, float] | OrderedDict[str, tuple[float, Key]]", size: int
) -> None:
    while len(entries) > size:
        entries.popitem(last=False)
