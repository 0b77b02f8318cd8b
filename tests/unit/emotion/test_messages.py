import math

import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.emotion.messages import (
    MAX_SPANS,
    check_diarize,
    fallback_of,
    spans_of,
    stream_of,
)
from services.emotion.turns import Fallback
from services.runtime.errors import InvalidRequest


def spans(*them: tuple[float, float], timeline: bool = False) -> pb.ClassifyConfig:
    return pb.ClassifyConfig(
        spans=[pb.Span(start=start, end=end) for start, end in them], timeline=timeline
    )


def test_spans_stay_as_they_are() -> None:
    assert spans_of(spans((5, 6), (0, 1.5)), 100) == [(5, 6), (0, 1.5)]
    assert spans_of(spans((0, 1), (5e5, 6e5)), 100) == [(0, 1), (5e5, 6e5)]


@pytest.mark.parametrize(
    "config",
    [
        spans((1, 1)),
        spans((2, 1)),
        spans((-1, 1)),
        spans((math.nan, 1)),
        spans((0, math.nan)),
        spans((0, math.inf)),
        spans(*[(0, 1)] * (MAX_SPANS + 1)),
        spans(*[(0, 100)] * 3),
        spans((0, 1), timeline=True),
    ],
    ids=[
        "empty", "backwards", "before the start", "nan", "nan end", "endless", "too many",
        "too long together", "and a timeline",
    ],
)  # fmt: skip
def test_spans_that_are_none_are_refused(config: pb.ClassifyConfig) -> None:
    with pytest.raises(InvalidRequest):
        spans_of(config, 100)


def test_a_stream_is_16_khz_mono_unless_it_says_otherwise() -> None:
    assert stream_of(pb.FollowConfig()) == (16_000, 1)
    assert stream_of(pb.FollowConfig(sample_rate=44_100, channels=2)) == (44_100, 2)


@pytest.mark.parametrize(
    "config",
    [
        pb.FollowConfig(sample_rate=7_999),
        pb.FollowConfig(sample_rate=96_001),
        pb.FollowConfig(sample_rate=-1),
        pb.FollowConfig(channels=9),
        pb.FollowConfig(channels=-1),
    ],
)
def test_a_stream_of_another_kind_is_refused(config: pb.FollowConfig) -> None:
    with pytest.raises(InvalidRequest):
        stream_of(config)


def test_the_fallback_is_one_of_three() -> None:
    assert fallback_of(pb.ClassifyConfig()) is Fallback.IF_NEEDED
    assert fallback_of(pb.ClassifyConfig(fallback=pb.FALLBACK_ALWAYS)) is Fallback.ALWAYS
    with pytest.raises(InvalidRequest):
        fallback_of(pb.ClassifyConfig.FromString(b"\x28\x07"))


@pytest.mark.parametrize(
    "config",
    [
        pb.DiarizeConfig(speaker_count=-1),
        pb.DiarizeConfig(speaker_count=65),
        pb.DiarizeConfig(known=[pb.KnownSpeaker()]),
        pb.DiarizeConfig(known=[pb.KnownSpeaker(name="x" * 101)]),
        pb.DiarizeConfig(known=[pb.KnownSpeaker(name="Ada")] * 2),
        pb.DiarizeConfig(known=[pb.KnownSpeaker(name=str(at)) for at in range(33)]),
    ],
)
def test_speakers_that_cannot_be_asked_for_are_refused(config: pb.DiarizeConfig) -> None:
    with pytest.raises(InvalidRequest):
        check_diarize(config)
