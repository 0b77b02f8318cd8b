import itertools

import numpy as np
import pytest

from services.emotion.listening import RECORDED, Window
from services.emotion.timeline import Mean, Segment, Smoother, Timeline
from services.emotion.voice_activity import Began, Ended

LABELS = ["calm", "cross"]
CALM, CROSS = np.array([0.9, 0.1], np.float32), np.array([0.2, 0.8], np.float32)


def window(start: float, end: float) -> Window:
    return Window(np.zeros(0, np.float32), start, end, RECORDED)


def told(*scores: np.ndarray, seconds: float = 30.0) -> list[Segment]:
    """The timeline of speech from 2 s on, in windows of 3 s every 1.5 s."""
    timeline = Timeline(LABELS)
    segments = timeline.began(Began(2.0))
    for at, each in enumerate(scores):
        segments += timeline.window(window(2 + 1.5 * at, 5 + 1.5 * at), each)
    segments += timeline.ended(Ended(5 + 1.5 * (len(scores) - 1)))
    return segments + timeline.finish(seconds)


def test_segments_follow_one_another_from_start_to_end() -> None:
    segments = told(CALM, CALM, CALM, CROSS, CROSS, CROSS, CROSS)
    assert segments[0].start == 0
    assert segments[-1].end == 30
    borders = [(before.end, after.start) for before, after in itertools.pairwise(segments)]
    assert all(end == start for end, start in borders)
    best = [each.labels[0].label if each.labels else "" for each in segments]
    assert best == ["", "calm", "cross", ""]


def test_a_border_is_midway_between_the_windows() -> None:
    segments = told(CALM, CALM, CROSS, CROSS, CROSS, CROSS)
    # The third window is of 5 to 8 s and the fourth of 6.5 to 9.5: smoothing takes one to turn.
    assert segments[1].end == pytest.approx(5.75, abs=1.51)
    assert segments[1].end % 1.5 == pytest.approx(1.25)


def test_one_window_that_differs_a_little_is_smoothed_away() -> None:
    doubt = np.array([0.45, 0.55], np.float32)
    assert len(told(CALM, CALM, CALM, doubt, CALM, CALM)) == 3


def test_scores_of_a_segment_are_probabilities() -> None:
    for segment in told(CALM, CROSS, CALM, CROSS, CROSS):
        if segment.labels:
            assert sum(each.score for each in segment.labels) == pytest.approx(1, abs=1e-5)
            assert segment.labels[0].score >= segment.labels[1].score


def test_where_nobody_speaks_there_is_one_segment_without_labels() -> None:
    assert Timeline(LABELS).finish(12.0) == [Segment(0.0, 12.0)]


def test_the_whole_is_the_mean_by_length() -> None:
    timeline = Timeline(LABELS)
    timeline.began(Began(0))
    timeline.window(window(0, 2), CALM)
    timeline.ended(Ended(2))
    timeline.began(Began(10))
    timeline.window(window(10, 11), CROSS)
    timeline.ended(Ended(11))
    scores = {each.label: each.score for each in timeline.whole.ranked}
    assert scores["calm"] == pytest.approx((2 * 0.9 + 0.2) / 3, abs=1e-5)


def test_a_mean_of_nothing_has_no_labels() -> None:
    assert Mean(LABELS).ranked == ()


def test_a_window_that_holds_the_one_before_takes_its_place() -> None:
    smoother = Smoother(1.0)
    smoother.add(window(0, 1), CALM)
    assert np.array_equal(smoother.add(window(0, 2), CROSS), CROSS)
    between = smoother.add(window(0.5, 2.5), CALM)
    assert CROSS[0] < between[0] < CALM[0]
    smoother.reset()
    assert np.array_equal(smoother.add(window(9, 10), CROSS), CROSS)
