"""Who speaks: turns, vectors of voices and words looked for; in the manner of those who have it."""

from typing import Annotated, Literal

from fastapi import Form
from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.embeddings import Embedding, EmbeddingUsage

#: Most speakers whose voices may be known, as OpenAI has it, and the longest name of one.
MAX_KNOWN, MAX_NAME = 4, 100
#: Most keywords, and longest.
MAX_KEYWORDS, MAX_KEYWORD = 32, 100
#: Most speakers that a recording may be said to have.
MAX_SPEAKERS = 20
#: Most bytes of a field: a reference of half a minute has room in it, as a WAV file in base64.
REFERENCE_BYTES = 8 << 20

DiarizationFormat = Literal["json", "verbose_json", "rttm"]

DiarizationFormatField = Annotated[DiarizationFormat, Form()]
CountField = Annotated[
    int | None,
    Form(ge=1, le=MAX_SPEAKERS, description="How many speakers there are; left out, found out."),
]
NamesField = Annotated[
    list[Annotated[str, Field(max_length=MAX_NAME)]],
    Form(alias="known_speaker_names[]", description="Names of speakers whose voices are known."),
    Field(max_length=MAX_KNOWN),
]
ReferencesField = Annotated[
    list[str],
    Form(
        alias="known_speaker_references[]",
        description="A recording of each, 2 to 30 seconds, as a data URL: "
        "data:audio/wav;base64,...",
    ),
    Field(max_length=MAX_KNOWN),
]
EncodingField = Annotated[Literal["float", "base64"], Form()]
KeywordsField = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_KEYWORD)]],
    Form(alias="keywords[]", description="Words and phrases to look for."),
    Field(max_length=MAX_KEYWORDS),
]
SimilarityField = Annotated[
    float,
    Form(
        ge=0.5,
        le=1,
        allow_inf_nan=False,
        description="How alike spellings must be: 1 less their edit distance over the longer one.",
    ),
]


class DiarizedSegment(TypedDict):
    """A turn, seconds. `label` is the same as `speaker`, for those who read that."""

    id: int
    speaker: str
    label: str
    start: float
    end: float


class DiarizedSpeaker(TypedDict):
    """A speaker, and how much they say. Seconds."""

    id: str
    label: str
    total_speech_duration: float
    segment_count: int


class Diarization(TypedDict):
    """Who speaks when. `duration` is in seconds."""

    task: Literal["diarize"]
    model: str
    duration: float
    num_speakers: int
    segments: list[DiarizedSegment]
    speakers: list[DiarizedSpeaker]


class VoiceEmbedding(Embedding):
    """A vector of length 1 of the voice in a recording; seconds of it, and of speech in it."""

    duration: float
    speech_duration: float


class VoiceEmbeddingList(TypedDict):
    """A vector for each recording, in order."""

    object: Literal["list"]
    data: list[VoiceEmbedding]
    model: str
    usage: EmbeddingUsage


class KeywordMatch(TypedDict):
    """Where a keyword was said, seconds, and how that is written in the transcript.

    `similarity` of the spellings is 1 where they are the same; `probability` is that of the least
    certain word.
    """

    keyword: str
    text: str
    start: float
    end: float
    similarity: float
    probability: float


class KeywordMatches(TypedDict):
    """Where keywords were said, by their start. `duration` is in seconds."""

    object: Literal["list"]
    model: str
    language: str
    duration: float
    data: list[KeywordMatch]
