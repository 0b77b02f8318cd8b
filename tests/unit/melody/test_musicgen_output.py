"""Sound as pieces of an answer."""

import numpy as np
import pytest

from services.melody.musicgen.output import Steps, sounding


def test_progress_is_told_a_hundred_times_at_most_and_never_says_all() -> None:
    steps = Steps(5000)
    told = [progress.done for _ in range(5000) for progress in steps.step()]
    assert 95 <= len(told) <= 100
    assert told == sorted(told)
    assert told[-1] < 1.0


@pytest.mark.parametrize("given", [3190, 3200, 4000])
def test_the_sound_is_cut_or_filled_to_the_sample(given: int) -> None:
    samples = np.full((given, 2), 0.5, np.float32)
    found = [sound.samples for sound in sounding(samples, 3200, 1000)]
    assert [len(each) for each in found] == [1000, 1000, 1000, 200]
    whole = np.concatenate(found)
    assert whole.shape == (3200, 2)
    assert np.array_equal(whole[: min(given, 3200)], samples[:3200])
    assert not whole[given:].any()


def test_what_is_too_loud_is_turned_down_whole() -> None:
    samples = np.array([[0.5], [-2.0], [1.0]], np.float32)
    (found,) = sounding(samples, 3, 10)
    assert found.samples.tolist() == [[0.25], [-1.0], [0.5]]


def test_no_number_never_sounds() -> None:
    with pytest.raises(ArithmeticError):
        next(sounding(np.array([[0.0], [np.nan]], np.float32), 2, 10))
