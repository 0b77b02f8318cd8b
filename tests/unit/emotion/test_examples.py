import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.corpus import Recording
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.examples import Examples, extract, kept


class Length:
    """An encoder that tells how many samples it was given."""

    def features(self, window: Samples) -> NDArray[np.float32]:
        return np.array([window.size], np.float32)


def recording(path: Path, seconds: float, speaker: int) -> Recording:
    noise = np.random.default_rng(0).normal(scale=3000, size=int(seconds * SAMPLE_RATE))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(noise.astype("<i2").tobytes())
    return Recording(path, "sad", speaker)


def test_every_window_of_a_recording_is_an_example(tmp_path: Path) -> None:
    clips = [recording(tmp_path / "a.wav", 2, 1), recording(tmp_path / "b.wav", 12, 2)]
    examples = extract(clips, Length(), lambda them: them)
    assert examples.values[:, 0].tolist() == [2 * SAMPLE_RATE, 6 * SAMPLE_RATE, 6 * SAMPLE_RATE]
    assert examples.speakers.tolist() == [1, 2, 2]
    assert examples.of(examples.speakers == 1).labels.tolist() == ["sad"]


def test_what_was_computed_is_kept(tmp_path: Path) -> None:
    examples = Examples(np.ones((1, 2), np.float32), np.array(["sad"]), np.array([3]))
    cache = tmp_path / "cache" / "examples.npz"
    kept(cache, lambda: examples)
    again = kept(cache, lambda: pytest.fail("computed twice"))
    np.testing.assert_array_equal(again.values, examples.values)
    assert again.labels.tolist() == ["sad"]
    assert again.speakers.tolist() == [3]
