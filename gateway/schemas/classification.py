"""Classification of recordings; routes of ours, in OpenAI's manner."""

from typing import Annotated, Literal, NotRequired

from fastapi import File, Form, UploadFile
from typing_extensions import TypedDict

#: Most recordings of one request.
MAX_FILES = 32

FallbackName = Literal["auto", "never", "always"]

FilesField = Annotated[
    list[UploadFile],
    File(
        description=f"A recording, in any format ffmpeg reads; or up to {MAX_FILES}, in as many "
        "fields of this name."
    ),
]
MoreFilesField = Annotated[
    list[UploadFile], File(alias="file[]", description="Another name for the same.")
]
TopKField = Annotated[
    int | None, Form(ge=1, le=1000, description="The best labels alone, this many.")
]
ThresholdField = Annotated[
    float,
    Form(ge=0, le=1, allow_inf_nan=False, description="Leaves out labels with lower scores."),
]
TimelineField = Annotated[bool, Form(description="Whether to tell how the recording goes.")]
SpeakersField = Annotated[bool, Form(description="Whether to tell each speaker's result.")]
StreamField = Annotated[
    bool, Form(description="The timeline of one recording as events, as soon as it is known.")
]
FallbackField = Annotated[
    FallbackName,
    Form(
        description="Whether a faster model may answer instead: `auto` where the one asked for "
        "could not in time."
    ),
]


class LabelScore(TypedDict):
    """One label and its probability."""

    label: str
    score: float


class Heard(TypedDict):
    """What was heard: the best label, its probability, and every label, best first.

    `top_k` and `threshold` shorten `labels` alone. Where nobody speaks and the model is for speech,
    `label` and `confidence` are null and `labels` is empty.
    """

    label: str | None
    confidence: float | None
    labels: list[LabelScore]


class TimelineSegment(Heard):
    """A stretch of a recording, seconds. `speaker` where `speakers` was asked for."""

    start: float
    end: float
    speaker: str | None


class TimeSpan(TypedDict):
    """A stretch of a recording, seconds."""

    start: float
    end: float


class SpeakerResult(Heard):
    """What one speaker's voice tells. `duration` is how long they speak, seconds."""

    speaker: str
    duration: float
    spans: list[TimeSpan]


class Classification(Heard):
    """What was heard in a recording.

    `duration` and `speech_duration` are in seconds. `fallback_for` names the model that was asked
    for, where a faster one answered. `timeline` and `speakers` are there where asked for.
    """

    object: Literal["audio.classification"]
    model: str
    duration: float
    speech: bool
    speech_duration: float
    fallback_for: str | None
    timeline: NotRequired[list[TimelineSegment]]
    speakers: NotRequired[list[SpeakerResult]]


class ClassificationList(TypedDict):
    """The answer for several recordings, in their order."""

    object: Literal["list"]
    data: list[Classification]


class ClassificationSegmentEvent(TimelineSegment):
    """An event: the next stretch of the timeline."""

    type: Literal["audio.classification.segment"]
