"""Sequences put aside: a copy of what they hold, outside the context, for whoever begins alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What a sequence holds, as llama.cpp writes it.
Saved = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Aside:
    """Tokens that were read under an adapter, and what they left behind."""

    tokens: Sequence[int]
    adapter: str
    saved: Saved


class Shelf:
    """Has room for `room` tokens; the least recently used give way."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: list[Aside] = []  # The least recently used first.

    def has(self, tokens: Sequence[int], adapter: str) -> bool:
        """Whether these are kept, or longer ones that begin with them; then they are used."""
        for aside in self._kept:
            if aside.adapter == adapter and begins(aside.tokens, tokens):
                self.use(aside)
                return True
        return False

    def put(self, aside: Aside) -> None:
        """Keeps something in the place of what it begins with; not what is larger than the room."""
        if len(aside.tokens) > self._room:
            return
        self._kept = [
            kept
            for kept in self._kept
            if kept.adapter != aside.adapter or not begins(aside.tokens, kept.tokens)
        ]
        self._kept.append(aside)
        self.make_room(0)

    def make_room(self, tokens: int) -> None:
        """Drops what was used least recently until there is room for so many more, or nothing."""
        while self._kept and sum(len(kept.tokens) for kept in self._kept) + tokens > self._room:
            del self._kept[0]

    def clear(self) -> None:
        """Drops everything."""
        self._kept.clear()

    def longest(self, tokens: Sequence[int], adapter: str, most: int) -> tuple[Aside | None, int]:
        """What begins most like `tokens`, and how many of them, at most `most`, are the same; of
        equals the shortest.
        """
        found, best = None, (0, 0)
        for aside in self._kept:
            if aside.adapter == adapter:
                length = common(aside.tokens, tokens, most)
                if length and (length, -len(aside.tokens)) > best:
                    found, best = aside, (length, -len(aside.tokens))
        return found, best[0]

    def use(self, aside: Aside) -> None:
        """Counts something as used just now."""
        self._kept = [kept for kept in self._kept if kept is not aside] + [aside]


def begins(tokens: Sequence[int], beginning: Sequence[int]) -> bool:
    """Whether `tokens` begin with all of the others."""
    return len(tokens) >= len(beginning) and tokens[: len(beginning)] == beginning


def common(known: Sequence[int], tokens: Sequence[int], most: int) -> int:
    """How many tokens, at most `most`, both begin with. By halving: comparing slices is quick."""
    low, high = 0, min(len(known), most)
    while low < high:
        middle = (low + high + 1) // 2
        if known[low:middle] == tokens[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
