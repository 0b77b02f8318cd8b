"""Values of the emotion container <-> messages of its contract."""

import math
from collections.abc import Iterable, Sequence

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.emotion.engine import LabelScore
from services.emotion.following import Emotion, Event
from services.emotion.recording import Watch
from services.emotion.speakers import Conversation, Speaker
from services.emotion.timeline import Segment
from services.emotion.turns import Fallback
from services.emotion.voice_activity import Began
from services.runtime.errors import InvalidRequest

#: Spans of one request, known speakers, and letters of the name of one.
MAX_SPANS, MAX_KNOWN, MAX_NAME = 4_096, 32, 100
MAX_SPEAKERS = 64
#: All spans together may be longer than the longest recording by this factor: they may overlap.
_OVERLAP = 2.0

LOWEST_RATE, HIGHEST_RATE, MOST_CHANNELS = 8_000, 96_000, 8


def fallback_of(config: pb.ClassifyConfig) -> Fallback:
    """Raises `InvalidRequest` for a number that is none of the contract's."""
    try:
        return Fallback(config.fallback)
    except ValueError:
        raise InvalidRequest(
            "fallback must be unspecified, never or always.", param="fallback"
        ) from None


def spans_of(config: pb.ClassifyConfig, most_seconds: float) -> list[tuple[float, float]]:
    """Start and end of each span. Raises `InvalidRequest` for spans that are none, or too many."""
    if len(config.spans) > MAX_SPANS:
        raise InvalidRequest(
            f"spans may have {MAX_SPANS} entries; there are {len(config.spans)}. Join some.",
            param="spans",
        )
    if config.spans and config.timeline:
        raise InvalidRequest("Ask for spans or for a timeline, not for both.", param="timeline")
    spans = [(span.start, span.end) for span in config.spans]
    for start, end in spans:
        if not (0 <= start < end < math.inf):
            raise InvalidRequest(
                "A span must start at 0 seconds or later and end after it starts.", param="spans"
            )
    if sum(min(end, most_seconds) - start for start, end in spans) > most_seconds * _OVERLAP:
        raise InvalidRequest(
            "The spans are longer together than the recording can be; leave out some that overlap.",
            param="spans",
        )
    return spans


def stream_of(config: pb.FollowConfig) -> tuple[int, int]:
    """Rate and channels of a live stream. Raises `InvalidRequest`."""
    rate, channels = config.sample_rate or 16_000, config.channels or 1
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidRequest(
            f"sample_rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz.", param="sample_rate"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise InvalidRequest(f"channels must be 1 to {MOST_CHANNELS}.", param="channels")
    return rate, channels


def check_diarize(config: pb.DiarizeConfig) -> None:
    """Raises `InvalidRequest` for what cannot be asked."""
    if not 0 <= config.speaker_count <= MAX_SPEAKERS:
        raise InvalidRequest(
            f"speaker_count must be 0, to have it found out, to {MAX_SPEAKERS}.",
            param="speaker_count",
        )
    names = [known.name for known in config.known]
    if len(names) > MAX_KNOWN:
        raise InvalidRequest(f"known may have {MAX_KNOWN} speakers.", param="known")
    if any(len(name) > MAX_NAME for name in names):
        raise InvalidRequest(f"A name may have {MAX_NAME} characters.", param="known")
    if not all(names) or len(set(names)) < len(names):
        raise InvalidRequest("Each known speaker needs a name of their own.", param="known")


def labels(scores: Iterable[LabelScore]) -> list[pb.LabelScore]:
    """Best first, as they are."""
    return [pb.LabelScore(label=each.label, score=each.score) for each in scores]


def segment(told: Segment, speaker: str = "") -> pb.Segment:
    """A segment."""
    return pb.Segment(start=told.start, end=told.end, labels=labels(told.labels), speaker=speaker)


def speakers(conversation: Conversation) -> list[pb.Speaker]:
    """The speakers in the order in which they begin."""
    return [_speaker(speaker) for speaker in conversation.speakers.values()]


def turns(conversation: Conversation) -> list[pb.Segment]:
    """The turns by their start."""
    return [
        pb.Segment(start=turn.start, end=turn.end, speaker=turn.speaker)
        for turn in conversation.turns
    ]


def segments(told: Sequence[Segment], conversation: Conversation | None) -> list[pb.Segment]:
    """Segments, with who speaks where that is known."""
    if conversation is None:
        return [segment(each) for each in told]
    return [
        segment(each, conversation.speaker(each.start, each.end) if each.labels else "")
        for each in told
    ]


def event(told: Event) -> pb.FollowResponse:
    """What is told of a live stream."""
    if isinstance(told, Began):
        return pb.FollowResponse(speech_started=pb.SpeechStarted(at=told.at))
    if isinstance(told, Emotion):
        return pb.FollowResponse(
            emotion=pb.EmotionHeard(segment=segment(told.segment), delay_seconds=told.delay)
        )
    return pb.FollowResponse(
        speech_stopped=pb.SpeechStopped(at=told.at, segment=segment(told.said))
    )


def timings(watch: Watch, queue_seconds: float) -> pb.Timings:
    """Where the time went."""
    return pb.Timings(
        queue_seconds=queue_seconds,
        decode_seconds=watch.decode_seconds,
        inference_seconds=watch.inference_seconds,
    )


def _speaker(speaker: Speaker) -> pb.Speaker:
    return pb.Speaker(
        id=speaker.id,
        seconds=speaker.seconds,
        spans=[pb.Span(start=turn.start, end=turn.end) for turn in speaker.turns],
        labels=labels(speaker.labels),
    )
