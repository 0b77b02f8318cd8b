"""Figures of answers that are known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.corpora import Recording
from services.emotion.evaluation.answers import NONE, Answers
from services.emotion.evaluation.calibration import (
    at_temperature,
    best_temperature,
    calibration,
    rescaled_by_others,
)
from services.emotion.evaluation.figures import by_speaker, figures, intervals
from services.emotion.evaluation.robustness import Suffered, at
from services.emotion.evaluation.run import spread

LABELS = ("a", "b", "c")


def answered(truth: str, given: str, speakers: str = "") -> Answers:
    """A letter a clip; a dot for no answer."""
    rows = np.array([[float(label == letter) for label in LABELS] for letter in given])
    return Answers(
        LABELS,
        np.array([LABELS.index(letter) for letter in truth]),
        rows,
        np.array(list(speakers or "x" * len(truth))),
        tuple(Recording(Path(f"{place}.wav"), letter) for place, letter in enumerate(truth)),
    )


def test_the_figures_of_a_known_confusion() -> None:
    found = figures(answered("aaabbc", "aabbaa"))
    assert found.confusion == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.precision == pytest.approx([2 / 4, 1 / 2, 0])
    assert found.recall == pytest.approx([2 / 3, 1 / 2, 0])
    assert found.f1 == pytest.approx([4 / 7, 1 / 2, 0])
    assert found.unweighted_average_recall == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert found.support == [3, 2, 1]


def test_a_label_that_the_data_lacks_counts_in_no_mean() -> None:
    found = figures(answered("aabb", "aabc"))
    assert found.unweighted_average_recall == pytest.approx((1 + 1 / 2) / 2)
    assert found.macro_precision == pytest.approx(1)


def test_no_answer_is_wrong_and_no_label() -> None:
    answers = answered("aab", "a.b")
    found = figures(answers)
    assert answers.given.tolist() == [0, NONE, 1]
    assert found.unanswered == 1
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.recall == pytest.approx([1 / 2, 1, 0])


def test_intervals_hold_the_figure_and_shrink_with_more_clips() -> None:
    few = intervals(answered("ab" * 10, "aa" * 2 + "ab" * 8))
    many = intervals(answered("ab" * 100, "aa" * 20 + "ab" * 80))
    for found in (few, many):
        assert found.accuracy_over_clips.low < 0.9 < found.accuracy_over_clips.high
    assert (
        many.accuracy_over_clips.high - many.accuracy_over_clips.low
        < few.accuracy_over_clips.high - few.accuracy_over_clips.low
    )
    assert few.accuracy_over_speakers is None


def test_voices_that_are_all_right_or_all_wrong_widen_the_interval_over_speakers() -> None:
    found = intervals(answered("ab" * 20, "ab" * 15 + "ba" * 5, "1" * 10 + "2" * 20 + "3" * 10))
    over_clips, over_speakers = found.accuracy_over_clips, found.accuracy_over_speakers
    assert over_speakers is not None
    assert over_speakers.high == pytest.approx(1)
    assert over_speakers.low < over_clips.low


def test_the_same_seed_gives_the_same_intervals() -> None:
    answers = answered("abcabc", "abccba", "112233")
    assert intervals(answers, 1) == intervals(answers, 1)


def test_speakers_come_worst_first() -> None:
    found = by_speaker(answered("aabb", "aaab", "1122"))
    assert list(found.items()) == [("2", (2, 0.5)), ("1", (2, 1.0))]


def sure(
    confidence: float, right: int, wrong: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Answers of one confidence, and their truth."""
    rows = np.tile([confidence, 1 - confidence], (right + wrong, 1))
    return rows, np.array([0] * right + [1] * wrong)


def test_who_is_as_often_right_as_sure_is_calibrated() -> None:
    assert calibration(*sure(0.75, 75, 25)).error == pytest.approx(0)


def test_the_error_is_how_far_confidence_and_accuracy_are_apart() -> None:
    first, second = sure(0.95, 60, 40), sure(0.61, 61, 39)
    joined = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    found = calibration(joined[0], joined[1])
    assert found.error == pytest.approx(0.35 / 2)
    assert sum(each.clips for each in found.bins) == 200


def test_the_best_temperature_makes_the_too_sure_calibrated_and_changes_no_answer() -> None:
    rows, truth = sure(0.99, 80, 20)
    rescaled = at_temperature(rows, best_temperature(rows, truth))
    assert rescaled[0, 0] == pytest.approx(0.8, abs=0.01)
    assert (rescaled.argmax(axis=1) == rows.argmax(axis=1)).all()
    assert rescaled.sum(axis=1) == pytest.approx(1)
    np.testing.assert_allclose(at_temperature(at_temperature(rows, 2), 0.5), rows)


def test_no_voice_has_a_part_in_its_own_temperature() -> None:
    rows = np.tile([0.9, 0.1, 0.0], (20, 1))
    truth = np.array(([0] * 9 + [1]) * 2)
    answers = Answers(LABELS, truth, rows, np.array(["1"] * 10 + ["2"] * 10), ())
    before = rescaled_by_others(answers)[:10]
    # The first speaker's own truth changes; the temperature for the first is the second's.
    other = Answers(LABELS, np.concatenate([[1] * 10, truth[10:]]), rows, answers.speakers, ())
    np.testing.assert_array_equal(rescaled_by_others(other)[:10], before)
    assert not np.array_equal(rescaled_by_others(other)[10:], rescaled_by_others(answers)[10:])


def test_kinds_of_noise_together_count_by_their_clips() -> None:
    suffered = [
        Suffered("noise", "rain", 10, "dB", 30, 0.5, 0.8),
        Suffered("noise", "white", 10, "dB", 10, 0.9, 0.8),
        Suffered("noise", "white", 0, "dB", 10, 0.1, 0.8),
    ]
    found = at(suffered, "noise", 10)
    assert found is not None
    assert found.clips == 40
    assert found.accuracy == pytest.approx(0.6)
    assert at(suffered, "noise", 5) is None


def test_a_few_clips_are_of_every_label_and_speaker() -> None:
    every = [
        Recording(Path(f"{label}{speaker}{take}.wav"), label, speaker)
        for label in "abc"
        for speaker in "12"
        for take in range(20)
    ]
    chosen = spread(every, 12)
    assert len(chosen) == 12
    assert len({(each.label, each.speaker) for each in chosen}) == 6
    assert len(spread(every[:5], 12)) == 5
