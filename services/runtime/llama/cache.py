"""Which sequence of the context holds which tokens: prefixes found again, cells counted, room made.

A cell holds what one token left behind. Sequences that begin alike share the cells of what they
have in common.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Protocol


class Memory(Protocol):
    """The cells themselves; `Decoder` has them, by the numbers of its sequences."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Lets `target`, which is empty, share the first `length` cells of `source`."""

    def trim(self, sequence: int, length: int) -> None:
        """Leaves a sequence its first `length` cells."""


class Held:
    """What one sequence holds: the tokens that were read, in order, under one adapter."""

    __slots__ = ("adapter", "busy", "cells", "sequence", "tokens", "used")

    def __init__(self, sequence: int, adapter: str) -> None:
        self.sequence = sequence
        self.adapter = adapter
        self.tokens: list[int] = []
        self.cells: list[int] = []
        self.busy = True
        self.used = 0


class Cache:
    """`sequences` sequences that have `cells` cells together.

    What is busy stays until it is released. What is idle is kept for whoever begins like it, until
    its room is wanted; the least recently used goes first. Without `reuse` nothing is kept.
    """

    def __init__(self, memory: Memory, *, sequences: int, cells: int, reuse: bool = True) -> None:
        self.cells = cells
        self._memory = memory
        self._reuse = reuse
        self._unused = list(range(sequences))
        self._held: list[Held] = []
        self._owners: dict[int, int] = {}
        self._numbers = itertools.count()

    @property
    def free(self) -> int:
        """Cells that hold nothing."""
        return self.cells - len(self._owners)

    def taken_by(self, busy: Iterable[Held]) -> int:
        """Cells that these take together."""
        return len(set().union(*(held.cells for held in busy)))

    def take(self, tokens: Sequence[int], adapter: str) -> Held | None:
        """A sequence that holds the longest beginning of `tokens` that is known.

        Never all of them, since the last has to be read for what follows it. None where every
        sequence is busy.
        """
        source, length = self._longest(tokens, adapter)
        if (
            source is not None
            and not source.busy
            and (length == len(source.tokens) or not self._unused)
        ):
            # Whose conversation goes on here; or there is no sequence to copy it to.
            self._trim(source, length)
            source.busy = True
            return source
        # What would be copied must not be what is dropped for it.
        if not self._unused and not self.drop_idle(keep=source):
            return None
        held = Held(self._unused.pop(), adapter)
        self._held.append(held)
        if source is not None:
            self._memory.copy(source.sequence, held.sequence, length)
            source.used = next(self._numbers)
            held.tokens = source.tokens[:length]
            held.cells = source.cells[:length]
            for cell in held.cells:
                self._owners[cell] += 1
        return held

    def extend(self, held: Held, tokens: Sequence[int]) -> None:
        """Notes that these were read into the sequence. There must be free cells."""
        held.tokens += tokens
        for _ in tokens:
            cell = next(self._numbers)
            held.cells.append(cell)
            self._owners[cell] = 1

    def release(self, held: Held) -> None:
        """Leaves a sequence to whoever begins like it."""
        if not self._reuse:
            self.drop(held)
            return
        held.busy = False
        held.used = next(self._numbers)

    def drop(self, held: Held) -> None:
        """Forgets a sequence."""
        self._trim(held, 0)
        self._held.remove(held)
        self._unused.append(held.sequence)

    def drop_idle(self, keep: Held | None = None) -> bool:
        """Forgets the idle sequence that was used least recently; False where there is none."""
        idle = [held for held in self._held if not held.busy and held is not keep]
        if not idle:
            return False
        self.drop(min(idle, key=lambda held: held.used))
        return True

    def clear(self) -> None:
        """Forgets everything, busy or idle. The memory itself is cleared by whoever calls this."""
        self._unused += [held.sequence for held in self._held]
        self._held.clear()
        self._owners.clear()

    def _longest(self, tokens: Sequence[int], adapter: str) -> tuple[Held | None, int]:
        found, longest = None, 0
        most = len(tokens) - 1
        if self._reuse:
            for held in self._held:
                if held.adapter == adapter:
                    length = _common(held.tokens, tokens, most)
                    if (length, not held.busy) > (longest, found is not None and not found.busy):
                        found, longest = held, length
        return (found, longest) if longest else (None, 0)

    def _trim(self, held: Held, length: int) -> None:
        if length == len(held.tokens):
            return
        self._memory.trim(held.sequence, length)
        for cell in held.cells[length:]:
            if self._owners[cell] == 1:
                del self._owners[cell]
            else:
                self._owners[cell] -= 1
        del held.cells[length:]
        del held.tokens[length:]


def _common(known: Sequence[int], tokens: Sequence[int], most: int) -> int:
    """How many tokens, at most `most`, both begin with. By halving: comparing slices is quick."""
    low, high = 0, min(len(known), most)
    while low < high:
        middle = (low + high + 1) // 2
        if known[low:middle] == tokens[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
