"""A context without weights: what follows a sequence is foretold by the tokens that it holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.runtime.llama.batch import DecodeFailed, Share

SIZE = 97
END = 0


def after(tokens: Sequence[int], adapter: str = "") -> int:
    """The token that follows; `END` now and then."""
    return hash((tuple(tokens), len(adapter))) % SIZE


class FakeReader:
    """Counts cells as llama.cpp does: sequences share what was copied. Also the cache's memory."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.tokens_read = 0
        self.steps: list[list[int]] = []
        """The sequences of each step."""
        self.broken = False
        """Whether the next step fails."""
        self._held: dict[int, list[tuple[int, object]]] = {}
        self._outputs: dict[int, list[int]] = {}
        self._adapter = ""

    def read(self, shares: Sequence[Share], adapter: str = "", *, embed: bool = False) -> None:
        """See `batch.Reader`."""
        self._adapter = adapter
        self._outputs = {}
        self.steps.append([share.sequence for share in shares])
        if self.broken:
            self.broken = False
            raise DecodeFailed(-3)
        at = 0
        for share in shares:
            held = self._held.setdefault(share.sequence, [])
            assert share.past == len(held), "a token must follow those before it"
            for token in share.tokens:
                held.append((token, object()))
                self._outputs[at] = [known for known, _ in held]
                at += 1
        self.tokens_read += at
        used = {cell for held in self._held.values() for _, cell in held}
        assert len(used) <= self.cells, "there are no more cells"

    def logits(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`."""
        row = np.zeros(SIZE, np.float32)
        row[after(self._outputs[at], self._adapter)] = 5
        return row

    def embedding(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`: the token itself, and one more dimension."""
        return np.array([self._outputs[at][-1], 1], np.float32)

    def clear(self) -> None:
        """See `batch.Reader`."""
        self._held.clear()

    def copy(self, source: int, target: int, length: int) -> None:
        """See `cache.Memory`."""
        assert not self._held.get(target)
        assert len(self._held[source]) >= length
        self._held[target] = self._held[source][:length]

    def trim(self, sequence: int, length: int) -> None:
        """See `cache.Memory`."""
        del self._held.setdefault(sequence, [])[length:]

    @property
    def used(self) -> int:
        """Cells that hold something."""
        return len({cell for held in self._held.values() for _, cell in held})


class Likeliest:
    """Chooses the likeliest token."""

    def sample(self, decoder: Any, at: int) -> int | None:
        """See `sequence.Chooser`."""
        return int(decoder.logits(at).argmax())
