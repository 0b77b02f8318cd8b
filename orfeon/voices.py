"""What is heard in voices: what the client gives back, and how it reads that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict


class ClassifyWish(TypedDict, total=False):
    """How to classify. The best `top_k` labels, of at least the probability `threshold`, are told.

    `timeline` tells how the recording goes, `speakers` each speaker's result. `fallback` says
    whether a faster model may answer: `auto` where the one asked for could not in time.
    """

    model: str
    top_k: int
    threshold: float
    timeline: bool
    speakers: bool
    fallback: Literal["auto", "never", "always"]
    priority: int


class DiarizeWish(TypedDict, total=False):
    """How to tell speakers apart: how many there are, if that is known."""

    model: str
    num_speakers: int
    priority: int


class KeywordWish(TypedDict, total=False):
    """How to look for words. Spellings must be `threshold` alike, 0.5 to 1."""

    model: str
    language: str
    threshold: float
    priority: int


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A stretch of a recording, seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """What is heard in a stretch of a recording, seconds; no label where nobody speaks."""

    start: float
    end: float
    label: str | None
    confidence: float | None
    labels: tuple[LabelScore, ...]
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerResult:
    """What one speaker's voice tells. `duration` is how long they speak, seconds."""

    speaker: str
    duration: float
    spans: tuple[TimeSpan, ...]
    label: str | None
    confidence: float | None
    labels: tuple[LabelScore, ...]


@dataclass(frozen=True, slots=True)
class Classification:
    """What was heard in a recording.

    `labels` holds every label, best first, whose scores sum to 1; unless fewer were asked for. It
    is empty where nobody speaks; `label` and `confidence` are None then. `duration` is in seconds.
    `fallback_for` names the model that was asked for, where a faster one answered.
    """

    model: str
    duration: float
    labels: tuple[LabelScore, ...]
    label: str | None = None
    confidence: float | None = None
    speech: bool = True
    speech_duration: float | None = None
    fallback_for: str | None = None
    timeline: tuple[TimelineSegment, ...] = ()
    speakers: tuple[SpeakerResult, ...] = ()

    @property
    def best(self) -> LabelScore | None:
        """The most likely label; None where nobody speaks."""
        if self.label is None or self.confidence is None:
            return None
        return LabelScore(self.label, self.confidence)


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks from `start` to `end`, seconds."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when. `duration` is in seconds."""

    model: str
    duration: float
    speakers: tuple[str, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class VoiceEmbedding:
    """A vector of length 1; the dot product of two voices' is the cosine of their angle."""

    model: str
    values: tuple[float, ...] = field(repr=False)
    duration: float
    speech_duration: float


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """Where a keyword is said, seconds, and how that is written in the transcript.

    `similarity` of the spellings is 1 where they are the same; `probability` is that of the least
    certain word.
    """

    keyword: str
    text: str
    start: float
    end: float
    similarity: float
    probability: float


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """A live stream is being listened to."""

    id: str
    model: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody has begun to speak, `at` so many seconds of a live stream."""

    at: float


@dataclass(frozen=True, slots=True)
class EmotionHeard:
    """What the voice in a live stream tells, `delay` seconds after the end of that stretch."""

    segment: TimelineSegment
    delay: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Nobody speaks any more; `segment` tells of all that was said since somebody began."""

    at: float
    segment: TimelineSegment


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """All of a live stream has been heard. Seconds."""

    duration: float
    speech_duration: float


LiveEvent = SessionCreated | SpeechStarted | EmotionHeard | SpeechStopped | SessionFinished


def classification(body: Mapping[str, Any]) -> Classification:
    """Reads an answer of `/v1/audio/classifications`, also of an older gateway."""
    labels = _labels(body)
    best = labels[0] if labels else None
    return Classification(
        model=str(body["model"]),
        duration=float(body["duration"]),
        labels=labels,
        label=body.get("label", best.label if best else None),
        confidence=body.get("confidence", best.score if best else None),
        speech=bool(body.get("speech", labels)),
        speech_duration=body.get("speech_duration"),
        fallback_for=body.get("fallback_for"),
        timeline=tuple(segment(row) for row in body.get("timeline", ())),
        speakers=tuple(_speaker(row) for row in body.get("speakers", ())),
    )


def classifications(body: Mapping[str, Any]) -> list[Classification]:
    """Reads the answer for several recordings, or for one."""
    rows = body["data"] if body["object"] == "list" else [body]
    return [classification(row) for row in rows]


def timeline_event(event: Mapping[str, Any]) -> TimelineSegment | Classification:
    """Reads an event of a timeline."""
    if event["type"] == "audio.classification.segment":
        return segment(event)
    return classification(event)


def segment(row: Mapping[str, Any]) -> TimelineSegment:
    """Reads a stretch of a recording."""
    return TimelineSegment(
        start=float(row["start"]),
        end=float(row["end"]),
        label=row["label"],
        confidence=row["confidence"],
        labels=_labels(row),
        speaker=row.get("speaker"),
    )


def diarization(body: Mapping[str, Any]) -> Diarization:
    """Reads the answer of `/v1/audio/diarization`."""
    return Diarization(
        model=str(body["model"]),
        duration=float(body["duration"]),
        speakers=tuple(row["id"] for row in body["speakers"]),
        turns=tuple(Turn(row["speaker"], row["start"], row["end"]) for row in body["segments"]),
    )


def voice_embedding(body: Mapping[str, Any]) -> VoiceEmbedding:
    """Reads the answer of `/v1/audio/embeddings` for one recording."""
    (row,) = body["data"]
    return VoiceEmbedding(
        model=str(body["model"]),
        values=tuple(map(float, row["embedding"])),
        duration=float(row["duration"]),
        speech_duration=float(row["speech_duration"]),
    )


def keyword_matches(body: Mapping[str, Any]) -> list[KeywordMatch]:
    """Reads the answer of `/v1/audio/keywords`."""
    return [KeywordMatch(**{name: row[name] for name in _MATCH}) for row in body["data"]]


def live_event(event: Mapping[str, Any]) -> LiveEvent:
    """Reads an event of a live stream. Raises `KeyError` for one that nobody knows."""
    return _LIVE[event["type"]](event)


_MATCH = ("keyword", "text", "start", "end", "similarity", "probability")
_LIVE: dict[str, Callable[[Mapping[str, Any]], LiveEvent]] = {
    "session.created": lambda row: SessionCreated(row["id"], row["model"], tuple(row["labels"])),
    "speech_started": lambda row: SpeechStarted(float(row["at"])),
    "emotion": lambda row: EmotionHeard(segment(row), float(row["delay"])),
    "speech_stopped": lambda row: SpeechStopped(float(row["at"]), segment(row)),
    "session.finished": lambda row: SessionFinished(
        float(row["duration"]), float(row["speech_duration"])
    ),
}


def _labels(row: Mapping[str, Any]) -> tuple[LabelScore, ...]:
    return tuple(LabelScore(str(one["label"]), float(one["score"])) for one in row["labels"])


def _speaker(row: Mapping[str, Any]) -> SpeakerResult:
    return SpeakerResult(
        speaker=row["speaker"],
        duration=float(row["duration"]),
        spans=tuple(TimeSpan(float(span["start"]), float(span["end"])) for span in row["spans"]),
        label=row["label"],
        confidence=row["confidence"],
        labels=_labels(row),
    )
