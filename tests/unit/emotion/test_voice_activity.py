import itertools

import numpy as np
import pytest

from services.emotion.voice_activity import FRAME, FRAME_SECONDS, Began, Ended, Gate, LoudnessEar
from tests.unit.emotion.sounds import silence, sound


def stretches(scores: list[float]) -> list[tuple[int, int]]:
    """Where the gate finds speech, frames."""
    gate, found, began = Gate(), [], 0.0
    for event in [*map(gate.feed, scores), gate.finish()]:
        if isinstance(event, Began):
            began = event.at
        elif isinstance(event, Ended):
            found.append((round(began / FRAME_SECONDS), round(event.at / FRAME_SECONDS)))
    return found


def test_speech_is_found_from_its_first_frame_to_its_last_and_a_little_around() -> None:
    pad = Gate.PAD
    assert stretches([0.0] * 50 + [0.9] * 40 + [0.0] * 50) == [(50 - pad, 90 + pad)]


def test_what_begins_at_once_and_never_ends_is_the_whole() -> None:
    assert stretches([1.0] * 30) == [(0, 30)]


@pytest.mark.parametrize("length", [1, 3, 5])
def test_what_is_short_is_not_speech(length: int) -> None:
    assert stretches([0.0] * 30 + [1.0] * length + [0.0] * 30) == []


def test_a_word_is_long_enough() -> None:
    assert len(stretches([0.0] * 30 + [1.0] * 8 + [0.0] * 30)) == 1


def test_doubt_begins_nothing_and_ends_nothing() -> None:
    doubt = [0.4] * 60
    assert stretches(doubt) == []
    assert stretches([0.9] * 20 + doubt + [0.9] * 20) == [(0, 100)]


def test_a_short_pause_does_not_part_speech_and_a_long_one_does() -> None:
    assert len(stretches([1.0] * 30 + [0.0] * 12 + [1.0] * 30)) == 1
    assert len(stretches([1.0] * 30 + [0.0] * 40 + [1.0] * 30)) == 2


def test_stretches_do_not_overlap() -> None:
    rng = np.random.default_rng(1)
    found = stretches([float(each) for each in rng.choice([0.0, 0.3, 1.0], 3000)])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))


def test_what_is_certain_grows_while_somebody_speaks() -> None:
    gate = Gate()
    for score in [1.0] * 20 + [0.0] * 5:
        gate.feed(score)
    assert gate.began == 0
    assert gate.spoken_until == pytest.approx(20 * FRAME_SECONDS)


def test_loudness_is_the_same_in_whatever_pieces_it_comes() -> None:
    samples = np.concatenate([silence(0.7), sound(1.1), silence(0.7)])
    whole = LoudnessEar()
    expected = np.concatenate([whole.feed(samples), whole.finish()])
    for size in (1, 160, 511, 512, 5000):
        ear = LoudnessEar()
        pieces = [ear.feed(samples[at : at + size]) for at in range(0, samples.size, size)]
        assert np.array_equal(np.concatenate([*pieces, ear.finish()]), expected)
    assert expected.size == -(-samples.size // FRAME)
    assert set(np.unique(expected)) == {0, 1}


def test_a_bang_is_heard_and_silence_is_not() -> None:
    def heard(samples: np.ndarray) -> list[tuple[int, int]]:
        ear = LoudnessEar()
        return stretches([*map(float, ear.feed(samples)), *map(float, ear.finish())])

    assert len(heard(np.concatenate([silence(1), sound(0.02), silence(1)]))) == 1
    assert heard(silence(3)) == []
