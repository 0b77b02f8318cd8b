"""A context without weights: what follows a sequence is foretold by the tokens that it holds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.runtime.llama.batch import DecodeFailed, Share
from services.runtime.llama.shelf import Saved

SIZE = 97
END = 0


def after(tokens: Sequence[int], adapter: str = "") -> int:
    """The token that follows; `END` now and then."""
    return hash((tuple(tokens), len(adapter))) % SIZE


class FakeReader:
    """Counts cells as llama.cpp does: sequences share what was copied. Also the cache's memory.

    With `orderly` it insists that cells lie in the order of their tokens, as they do as long as
    none is used twice before everything is cleared.
    """

    def __init__(self, cells: int, *, orderly: bool = False) -> None:
        self.cells = cells
        self.orderly = orderly
        self.tokens_read = 0
        self.steps: list[list[int]] = []
        """The sequences of each step."""
        self.broken = False
        """Whether the next step fails."""
        self.forgetful = False
        """Whether what was saved cannot be put back the next time."""
        self._held: defaultdict[int, list[Cell]] = defaultdict(list)
        """By sequence."""
        self._outputs: dict[int, list[int]] = {}
        self._adapter = ""

    def read(self, shares: Sequence[Share], adapter: str = "", *, embed: bool = False) -> None:
        """See `batch.Reader`."""
        self._adapter = adapter
        self._outputs = {}
        self.steps.append([share.sequence for share in shares])
        if self.broken:
            self.broken = False
            raise DecodeFailed("broken")
        at = 0
        for share in shares:
            held = self._held[share.sequence]
            held.sort(key=lambda cell: cell.position)
            before = [cell.position for cell in held]
            assert before == list(range(share.past)), "a token must follow those before it"
            for token in share.tokens:
                held.append(self._cell(len(held), token))
                self._outputs[at] = [cell.token for cell in held]
                at += 1
            if self.orderly:
                places = [cell.place for cell in held]
                assert places == sorted(places), "cells must lie in the order of their tokens"
        self.tokens_read += at

    def logits(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`."""
        row = np.zeros(SIZE, np.float32)
        row[after(self._outputs[at], self._adapter)] = 5
        return row

    def embedding(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`: the token itself, and one more dimension."""
        return np.array([self._outputs[at][-1], 1], np.float32)

    def clear(self) -> None:
        """See `cache.Memory`."""
        self._held.clear()

    def copy(self, source: int, target: int, start: int, stop: int) -> None:
        """See `cache.Memory`."""
        self._held[target] += [cell for cell in self._held[source] if start <= cell.position < stop]

    def trim(self, sequence: int, length: int) -> None:
        """See `cache.Memory`."""
        held = self._held[sequence]
        self._held[sequence] = [cell for cell in held if cell.position < length]

    def keeps(self, sequence: int, length: int) -> bool:
        """See `cache.Memory`: without a window, all."""
        return True

    def save(self, sequence: int) -> Saved:
        """See `cache.Memory`: positions and tokens."""
        held = sorted(self._held[sequence], key=lambda cell: cell.position)
        return np.array([[cell.position, cell.token] for cell in held], np.int64).view(np.uint8)

    def restore(self, sequence: int, saved: Saved) -> None:
        """See `cache.Memory`."""
        if self.forgetful:
            self.forgetful = False
            raise DecodeFailed("forgotten")
        self._held[sequence] = []
        for position, token in saved.view(np.int64).tolist():
            self._held[sequence].append(self._cell(position, token))

    @property
    def used(self) -> int:
        """Cells that hold something."""
        return len(self._places())

    def _cell(self, position: int, token: int) -> "Cell":
        """The first cell after the last in use, or where there is none, any that is free."""
        used = self._places()
        place = max(used, default=-1) + 1
        if place == self.cells:
            place = min(set(range(self.cells)) - used, default=self.cells)
        assert place < self.cells, "there are no more cells"
        return Cell(position, place, token)

    def _places(self) -> set[int]:
        return {cell.place for held in self._held.values() for cell in held}


@dataclass(frozen=True, slots=True)
class Cell:
    """What a token left behind: its position in a sequence, and where that lies."""

    position: int
    place: int
    token: int


class Likeliest:
    """Chooses the likeliest token."""

    def sample(self, decoder: Any, at: int) -> int | None:
        """See `sequence.Chooser`."""
        return int(decoder.logits(at).argmax())
