from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from services.emotion.corpora import Recording
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.examples import Examples, extract


class Length:
    """An encoder that tells how many samples it was given."""

    reads = "length"

    def features(self, window: Samples) -> NDArray[np.float32]:
        return np.array([window.size], np.float32)


def noise(seconds: float) -> Samples:
    random = np.random.default_rng(0)
    return random.normal(scale=0.1, size=int(seconds * SAMPLE_RATE)).astype(np.float32)


def clips() -> Iterator[tuple[Recording, Samples]]:
    yield Recording(Path("a.wav"), "sad", "ours/1"), noise(2)
    yield Recording(Path("b.wav"), "happy", "ours/2"), noise(12)


def shortened(samples: Samples, random: Generator) -> Samples:
    return samples[: random.integers(SAMPLE_RATE, samples.size)]


def test_every_window_of_a_recording_is_an_example() -> None:
    examples = extract(clips(), Length())
    assert examples.values[:, 0].tolist() == [2 * SAMPLE_RATE, 6 * SAMPLE_RATE, 6 * SAMPLE_RATE]
    assert examples.speakers.tolist() == ["ours/1", "ours/2", "ours/2"]
    assert examples.clips.tolist() == [0, 1, 1]
    assert examples.labelled(["sad"]).speakers.tolist() == ["ours/1"]


def test_copies_are_augmented_the_same_way_each_time_and_told_from_the_clips() -> None:
    first, second = (
        extract(clips(), Length(), augment=shortened, copies=2, seed=7) for _ in range(2)
    )
    np.testing.assert_array_equal(first.values, second.values)
    assert sorted(set(first.copies.tolist())) == [0, 1, 2]
    of_a = first.of(first.clips == 0)
    assert of_a.copies.tolist() == [0, 1, 2]
    assert len(set(of_a.values[:, 0].tolist())) == 3
    other = extract(clips(), Length(), augment=shortened, copies=2, seed=8)
    assert set(of_a.values[1:, 0].tolist()).isdisjoint(other.values[1:3, 0].tolist())


def test_silence_is_no_example() -> None:
    silent = Recording(Path("c.wav"), "sad"), np.zeros(SAMPLE_RATE, np.float32)
    assert extract([*clips(), silent], Length()).clips.tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="nothing sounds"):
        extract([silent], Length())


def test_what_was_computed_is_kept(tmp_path: Path) -> None:
    examples = extract(clips(), Length())
    examples.save(tmp_path / "examples.npz")
    again = Examples.load(tmp_path / "examples.npz")
    np.testing.assert_array_equal(again.values, examples.values)
    assert again.labels.tolist() == ["sad", "happy", "happy"]
    assert again.copies.tolist() == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["examples.npz"]
