"""Which sequence of the context holds which tokens: prefixes found again, cells counted, room made.

A cell holds what one token left behind. Sequences that begin alike share the cells of what they
have in common.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from services.runtime.llama.shelf import Aside, Saved, Shelf, common

#: So many tokens are put back, and most of them moved away again, in less time than one is read.
WORTH = 16


class Memory(Protocol):
    """The cells themselves; `Decoder` has them, by the numbers of its sequences."""

    def copy(self, source: int, target: int, start: int, stop: int) -> None:
        """Lets `target` share the cells of `source` from `start` up to `stop`."""

    def trim(self, sequence: int, length: int) -> None:
        """Leaves a sequence its first `length` cells. What nobody holds is free."""

    def keeps(self, sequence: int, length: int) -> bool:
        """Whether a sequence still has all that what follows its first `length` tokens looks at.

        llama.cpp gives away cells that a sliding window has passed.
        """

    def save(self, sequence: int) -> Saved:
        """A copy of all that a sequence holds."""

    def restore(self, sequence: int, saved: Saved) -> None:
        """Puts such a copy into free cells, in the place of what the sequence held."""

    def clear(self) -> None:
        """Forgets all sequences."""


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

    llama.cpp adds up over cells in the order in which they lie, and an answer is to the bit the
    same only if its cells lie in the order of its tokens. With `aside` no cell is used again until
    `reclaim` moves everything together: the tail of a sequence goes to one further sequence, the
    litter. What is idle is put aside then, `aside` tokens of it, outside the context, where it
    costs no step any time. Without, cells are used again at once, which suits a GPU: there order
    is not all that sums depend on, and to move many cells one by one takes long.
    """

    def __init__(
        self, memory: Memory, *, sequences: int, cells: int, reuse: bool = True, aside: int = 0
    ) -> None:
        self.cells = cells
        self._memory = memory
        self._reuse = reuse
        self._orderly = aside > 0
        self._shelf = Shelf(aside)
        self._litter = sequences
        self._littered = 0
        self._unused = list(range(sequences))
        self._held: list[Held] = []
        self._owners: dict[int, int] = {}
        self._next_cell = self._uses = 0

    @property
    def free(self) -> int:
        """Cells that can be read into."""
        return self.cells - len(self._owners) - self._littered

    @property
    def waste(self) -> int:
        """At least how many cells each step passes by that no busy sequence needs."""
        if not self._orderly:
            return 0
        return self.cells - self.free - sum(len(held.cells) for held in self._held if held.busy)

    def taken_by(self, busy: Iterable[Held]) -> int:
        """Cells that these take together."""
        return len(set().union(*(held.cells for held in busy)))

    def take(self, tokens: Sequence[int], adapter: str) -> Held | None:
        """A sequence that holds the longest beginning of `tokens` that is known.

        Never all of them, since the last has to be read for what follows it. None where every
        sequence is busy.
        """
        source, length = self._longest(tokens, adapter)
        aside, longer = self._shelf.longest(tokens, adapter, len(tokens) - 1)
        if aside is not None and (longer - length) * WORTH >= len(aside.tokens):
            if self.free < len(aside.tokens):
                self.reclaim()
                source, length = self._longest(tokens, adapter)
            if self.free >= len(aside.tokens):
                return self._back(aside, longer)
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
        if (held := self._unheld(adapter, keep=source)) is not None and source is not None:
            self._memory.copy(source.sequence, held.sequence, 0, length)
            source.used = self._now()
            held.tokens = source.tokens[:length]
            self._share(held, source.cells[:length])
        return held

    def extend(self, held: Held, tokens: Sequence[int]) -> None:
        """Notes that these were read into the sequence. There must be free cells."""
        held.tokens += tokens
        self._share(held, range(self._next_cell, self._next_cell + len(tokens)))
        self._next_cell += len(tokens)

    def release(self, held: Held) -> None:
        """Leaves a sequence to whoever begins like it."""
        if not self._reuse:
            self._drop(held)
            return
        held.busy = False
        held.used = self._now()

    def reclaim(self) -> bool:
        """Frees cells that no busy sequence needs; False where there are none."""
        if not self._orderly:
            return self._drop_idle()
        if len(self._owners) + self._littered == self.taken_by(h for h in self._held if h.busy):
            return False
        while self._drop_idle():
            pass
        self._move_together()
        return True

    def clear(self) -> None:
        """Forgets everything, busy, idle or put aside, and has the memory do so."""
        self._memory.clear()
        self._shelf.clear()
        self._unused += [held.sequence for held in self._held]
        self._held.clear()
        self._owners.clear()
        self._littered = 0

    def _move_together(self) -> None:
        """Reads all that is held out of the context and back; what was shared is so again."""
        self._memory.trim(self._litter, 0)
        # For a moment the copies take as much memory as what is put aside may.
        self._shelf.make_room(self.taken_by(self._held))
        moved: list[tuple[Held, Held | None, int, Saved | None]] = []
        for held in self._held:
            source, length = _sharing(held, [before for before, *_ in moved])
            saved = None
            if length < len(held.cells):
                self._memory.copy(held.sequence, self._litter, length, len(held.cells))
                saved = self._memory.save(self._litter)
                self._memory.trim(self._litter, 0)
            moved.append((held, source, length, saved))
        self._memory.clear()
        self._owners.clear()
        self._littered = 0
        for held, source, length, saved in moved:
            fresh = len(held.cells) - length
            held.cells = []
            if saved is not None:
                self._memory.restore(held.sequence, saved)
            if source is not None:
                self._memory.copy(source.sequence, held.sequence, 0, length)
                self._share(held, source.cells[:length])
            self._share(held, range(self._next_cell, self._next_cell + fresh))
            self._next_cell += fresh

    def _back(self, aside: Aside, length: int) -> Held | None:
        """A sequence with the first tokens of what was put aside, which stays there for others."""
        self._shelf.use(aside)
        if (held := self._unheld(aside.adapter)) is not None:
            self._memory.restore(held.sequence, aside.saved)
            self.extend(held, aside.tokens)
            self._trim(held, length)
        return held

    def _unheld(self, adapter: str, keep: Held | None = None) -> Held | None:
        """An empty sequence; None where all are busy."""
        if not self._unused and not self._drop_idle(keep):
            return None
        held = Held(self._unused.pop(), adapter)
        self._held.append(held)
        return held

    def _drop_idle(self, keep: Held | None = None) -> bool:
        """Ends the idle sequence that was used least recently; False where there is none."""
        idle = [held for held in self._held if not held.busy and held is not keep]
        if not idle:
            return False
        oldest = min(idle, key=lambda held: held.used)
        if self._orderly and not self._shelf.has(oldest.tokens, oldest.adapter):
            saved = self._memory.save(oldest.sequence)
            self._shelf.put(Aside(oldest.tokens.copy(), oldest.adapter, saved))
        self._drop(oldest)
        return True

    def _drop(self, held: Held) -> None:
        self._trim(held, 0)
        self._held.remove(held)
        self._unused.append(held.sequence)

    def _longest(self, tokens: Sequence[int], adapter: str) -> tuple[Held | None, int]:
        found, longest = None, 0
        most = len(tokens) - 1
        if self._reuse:
            for held in self._held:
                if held.adapter == adapter:
                    length = common(held.tokens, tokens, most)
                    best = (longest, found is not None and not found.busy)
                    if (length, not held.busy) > best and self._memory.keeps(held.sequence, length):
                        found, longest = held, length
        return (found, longest) if longest else (None, 0)

    def _share(self, held: Held, cells: Iterable[int]) -> None:
        for cell in cells:
            held.cells.append(cell)
            self._owners[cell] = self._owners.get(cell, 0) + 1

    def _trim(self, held: Held, length: int) -> None:
        if length == len(held.tokens):
            return
        if self._orderly:
            self._memory.copy(held.sequence, self._litter, length, len(held.tokens))
        self._memory.trim(held.sequence, length)
        for cell in held.cells[length:]:
            if self._owners[cell] == 1:
                del self._owners[cell]
                self._littered += self._orderly
            else:
                self._owners[cell] -= 1
        del held.cells[length:]
        del held.tokens[length:]

    def _now(self) -> int:
        self._uses += 1
        return self._uses


def _sharing(held: Held, others: Iterable[Held]) -> tuple[Held | None, int]:
    """Who of the others has most of the first cells too, and how many."""
    found, longest = None, 0
    for other in others:
        length = common(other.cells, held.cells, len(held.cells))
        if length > longest:
            found, longest = other, length
    return found, longest
