"""Transcripts, as OpenAI writes them."""

from typing import Annotated, Literal, NotRequired

from fastapi import File, Form, UploadFile
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from gateway.languages import ENGLISH_NAMES
from gateway.schemas.classification import Heard

TextFormat = Literal["json", "text", "srt", "vtt", "verbose_json"]
Granularity = Literal["word", "segment"]
#: OpenAI has `logprobs`, which we refuse by a sentence of its own.
Included = Literal["emotion", "logprobs"]


def _known_language(code: str) -> str:
    code = code.strip().lower()
    if code and code not in ENGLISH_NAMES:
        raise ValueError("language must be an ISO 639-1 code, such as en or es.")
    return code


AudioFile = Annotated[UploadFile, File(description="A recording, in any format ffmpeg reads.")]
ModelField = Annotated[
    str, Form(max_length=256, description="Model id or alias; left out, the default model.")
]
LanguageField = Annotated[
    str,
    Form(description="Language spoken, ISO 639-1; left out, the model finds out."),
    AfterValidator(_known_language),
]
PromptField = Annotated[
    str, Form(max_length=100_000, description="Text that steers style and spelling.")
]
FormatField = Annotated[TextFormat, Form()]
TemperatureField = Annotated[float | None, Form(ge=0, le=1, allow_inf_nan=False)]
GranularitiesField = Annotated[
    list[Granularity],
    Form(alias="timestamp_granularities[]", description="Needs verbose_json."),
    Field(max_length=8),
]
IncludeField = Annotated[
    list[Included],
    Form(
        alias="include[]",
        description="`emotion` tells what the voice tells in each segment; needs verbose_json.",
    ),
    Field(max_length=8),
]
StreamField = Annotated[
    bool,
    Form(
        description="Events, as it is understood: the text, and with verbose_json the segments. "
        "The last one holds the answer."
    ),
]
PriorityField = Annotated[
    int | None, Form(ge=0, le=2, description="0 urgent, 1 normal, 2 background.")
]
ServiceTierField = Annotated[
    Literal["auto", "default", "flex", "scale", "priority", "fast"] | None, Form()
]


class UsageDuration(TypedDict):
    """What the transcript took: seconds of audio."""

    type: Literal["duration"]
    seconds: float


class Word(TypedDict):
    """One word and its time, in seconds."""

    word: str
    start: float
    end: float


class Segment(TypedDict):
    """One stretch of speech. Times are in seconds, `seek` in frames of 10 ms.

    `emotion` is there where asked for, and null where nobody speaks.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    emotion: NotRequired[Heard | None]


class Transcription(TypedDict):
    """A transcript's text."""

    text: str
    usage: UsageDuration


class VerboseTranscription(TypedDict):
    """A transcript with its times. `duration` is in seconds, `language` in English words."""

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    segments: NotRequired[list[Segment]]
    words: NotRequired[list[Word]]
    usage: UsageDuration


class TranscriptTextDelta(TypedDict):
    """An event: more text."""

    type: Literal["transcript.text.delta"]
    delta: str


class TranscriptTextSegment(TypedDict):
    """An event: the next segment, its times in seconds. Streams of `verbose_json` have it."""

    type: Literal["transcript.text.segment"]
    id: int
    start: float
    end: float
    text: str


class TranscriptTextDone(TypedDict):
    """An event: the whole text. In a stream of `verbose_json` it is the whole answer."""

    type: Literal["transcript.text.done"]
    text: str
    usage: UsageDuration
