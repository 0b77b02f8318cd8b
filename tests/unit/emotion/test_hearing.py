from collections.abc import Sequence

import numpy as np
import pytest

from services.emotion.diarization import SPEAKER
from services.emotion.engine import LabelScore, Samples
from services.emotion.hearing import Hearing, SpanTeller, Teller, WholeTeller, in_order
from services.emotion.timeline import Segment
from services.emotion.voice_activity import LoudnessEar
from services.runtime.context import RequestContext
from services.runtime.errors import ModelLoadFailed
from services.runtime.worker import Cancellation
from tests.unit.emotion.sounds import LABELS, Loudness, silence, sound

CONTEXT = RequestContext("r")


def heard(
    teller: Teller, stretches: Sequence[Samples], *, voices: bool = False
) -> tuple[Hearing, Loudness, list[Segment]]:
    model, segments = Loudness(), []
    hearing = Hearing(LoudnessEar(), LABELS, teller, CONTEXT, voices=voices)
    for at, samples in enumerate(stretches):
        last = at == len(stretches) - 1
        segments += hearing.hear(samples, model, Cancellation(), last=last)
    return hearing, model, segments


def whole(*, timeline: bool = False, speakers: bool = False) -> WholeTeller:
    return WholeTeller(LABELS, timeline=timeline, speakers=speakers)


def test_a_short_clip_is_classified_in_one_piece() -> None:
    clip = np.concatenate([silence(1), sound(5, 0.9), silence(1)])
    _, model, segments = heard(teller := whole(), [clip])
    assert model.seconds == [7.0]
    assert segments == []
    assert [each.label for each in teller.whole] == ["loud", "quiet"]


def test_what_a_short_clip_is_does_not_depend_on_what_else_is_asked() -> None:
    clip = np.concatenate([silence(1), sound(2, 0.9), silence(1), sound(2, 0.3), silence(1)])
    answers = []
    for teller in (whole(), whole(timeline=True), whole(speakers=True)):
        heard(teller, [clip])
        answers.append(teller.whole)
    assert answers[0] == answers[1] == answers[2]


def test_a_clip_with_one_window_has_one_answer() -> None:
    _, model, segments = heard(teller := whole(timeline=True), [sound(2, 0.9)])
    assert len(model.seconds) == 1
    assert [segment.labels for segment in segments] == [teller.whole]


@pytest.mark.parametrize("stretches", [[silence(5)], [silence(30), silence(30)]])
def test_nobody_speaks(stretches: list[Samples]) -> None:
    _, model, segments = heard(teller := whole(timeline=True), stretches)
    assert model.seconds == []
    assert teller.whole == ()
    assert [segment.labels for segment in segments] == [()]


def test_a_long_recording_is_the_mean_of_its_speech() -> None:
    clip = [np.concatenate([sound(20, 1.0), silence(10)]), sound(20, 0.0), sound(10, 0.5)]
    hearing, model, segments = heard(teller := whole(timeline=True), clip)
    assert max(model.seconds) <= 3.0
    loud = {each.label: each.score for each in teller.whole}["loud"]
    assert loud == pytest.approx((20 * 1.0 + 10 * 0.5) / 30, abs=0.02)
    assert hearing.listener.seconds == pytest.approx(60)
    assert hearing.listener.speech_seconds == pytest.approx(30, abs=0.8)
    assert segments[-1].end == pytest.approx(60)


def test_spans_come_back_in_their_order_and_silent_ones_are_empty() -> None:
    recording = np.concatenate([sound(5, 0.9), silence(5), sound(5, 0.2), silence(25)])
    spans = [(11.0, 14.0), (6.0, 9.0), (0.5, 4.0), (1.0, 2.0), (38.0, 99.0), (2e3, 3e3)]
    teller = SpanTeller(LABELS, spans, most=1e4)
    _, model, segments = heard(teller, [recording[: 16_000 * 30], recording[16_000 * 30 :]])
    assert [(each.start, each.end) for each in segments] == spans
    best = [each.labels[0].label if each.labels else "" for each in segments]
    assert best == ["quiet", "", "loud", "loud", "", ""]
    assert sorted(model.seconds) == pytest.approx([1.0, 3.0, 3.5])


def test_a_long_span_is_classified_in_equal_parts() -> None:
    teller = SpanTeller(LABELS, [(0.0, 20.0)], most=100)
    _, model, segments = heard(teller, [sound(30, 0.7), sound(30, 0.1)])
    assert model.seconds == pytest.approx([20 / 3] * 3, abs=1e-3)
    assert segments[0].labels == teller.whole


def test_spans_far_beyond_the_limit_are_no_work() -> None:
    teller = SpanTeller(LABELS, [(0.0, 1e300)], most=10)
    _, model, _ = heard(teller, [sound(5)])
    assert sum(model.seconds) == pytest.approx(5)


def test_a_span_without_a_sample_tells_nothing() -> None:
    teller = SpanTeller(LABELS, [(1.00001, 1.00002), (1.0, 2.0)], most=10)
    _, model, segments = heard(teller, [sound(5)])
    assert [bool(each.labels) for each in segments] == [False, True]
    assert model.seconds == pytest.approx([1.0])


def test_a_model_that_tells_other_labels_is_refused() -> None:
    scores = [LabelScore("loud", 0.75), LabelScore("quiet", 0.25)]
    assert in_order(scores, LABELS).tolist() == [0.25, 0.75]
    for labels in (["loud"], ["loud", "silent"], [*LABELS, "silent"]):
        with pytest.raises(ModelLoadFailed, match="quiet"):
            in_order(scores, labels)


def test_voices_are_cut_out_for_whoever_embeds_them() -> None:
    hearing, _, _ = heard(whole(), [sound(5)], voices=True)
    assert hearing.voices
    assert {each.windowing for each in hearing.voices} == {SPEAKER}
    assert all(each.end - each.start <= SPEAKER.seconds + 1e-6 for each in hearing.voices)
