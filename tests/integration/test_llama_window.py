"""A model that looks back no further than a window: llama.cpp gives away what has left it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.runtime.llama.batch import Share
from services.runtime.llama.cache import Cache, Held
from services.runtime.llama.decoder import Decoder
from services.runtime.llama.llama_engine import WEIGHTS
from services.runtime.llama.weights import Weights, start_library
from services.runtime.residency.placement import CPU, Placement
from tests import seeing

CELLS = 1024


@pytest.mark.parametrize("aside", [0, CELLS])
def test_only_what_the_window_still_needs_and_has_is_not_read_again(
    tmp_path: Path, aside: int
) -> None:
    start_library()
    seeing.windowed(tmp_path, window=32)
    weights = Weights(tmp_path / WEIGHTS, Placement(((CPU, 1),)))

    def context() -> Decoder:
        return Decoder(weights, cells=CELLS, sequences=3, threads=1, on_gpu=False)

    decoder = context()
    cache = Cache(decoder, sequences=3, cells=decoder.cells, aside=aside)

    def read(tokens: list[int]) -> tuple[Held, NDArray[np.float32]]:
        held = cache.take(tokens, "")
        assert held is not None
        known = len(held.tokens)
        decoder.read([Share(held.sequence, known, tokens[known:], 1)])
        cache.extend(held, tokens[known:])
        return held, decoder.logits(len(tokens) - known - 1).copy()

    random = np.random.default_rng(2)
    short, long, busy, next_ = (random.integers(3, 300, n).tolist() for n in (40, 200, 10, 150))
    ended = [read(short)[0], read(long)[0]]
    for held in ended:
        cache.release(held)
    read(busy)
    read(next_)  # In the place of `short`, and of what the window of `long` has passed.
    begun = [*long[:100], 7]
    _, found = read(begun)

    alone = context()
    alone.read([Share(0, 0, begun, 1)])
    assert found == pytest.approx(alone.logits(len(begun) - 1), abs=0.05)
    for each in (decoder, alone):
        each.close()
    weights.close()
