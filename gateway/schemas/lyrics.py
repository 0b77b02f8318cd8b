"""Lyrics; a route of ours, in OpenAI's manner."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, Priority, ServiceTier, Text
from services.runtime.sections import Kind

Phrase = Annotated[Text, Field(max_length=200)]


class LyricsRequest(JsonRequest):
    """A song to write. Everything may be left out; empty texts count as left out."""

    genre: Annotated[
        Text,
        Field(
            max_length=256, description="A genre: a model for the task `lyrics`, see /v1/models."
        ),
    ] = ""
    title: Annotated[Phrase, Field(description="The song's title.")] = ""
    style: Annotated[Phrase, Field(description="An artist or a manner to write in.")] = ""
    theme: Annotated[Phrase, Field(description="What the song is about.")] = ""
    mood: Annotated[
        Text, Field(max_length=40, description="A label of emotion, as classifications have them.")
    ] = ""
    language: Annotated[
        Text, Field(max_length=40, description="BCP 47; one of the genre's languages.")
    ] = ""
    first_line: Annotated[Phrase, Field(description="The first line, kept as it is.")] = ""
    sections: Annotated[
        list[Kind],
        Field(
            max_length=16,
            description="In order; left out, the genre's own. A chorus that returns has the same "
            "lines again.",
        ),
    ] = Field(default_factory=list)
    lines: Annotated[int | None, Field(ge=1, le=16, description="Lines of each section.")] = None
    seed: Annotated[
        int | None,
        Field(
            ge=-(2**63),
            lt=2**63,
            description="The same seed and request give the same song; without, another.",
        ),
    ] = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    stream: bool | None = None
    priority: Priority = None
    service_tier: ServiceTier = None


class LyricsLine(TypedDict):
    """One line and its syllables."""

    text: str
    syllables: int


class Section(TypedDict):
    """A section and its lines."""

    kind: Kind
    lines: list[LyricsLine]


class LyricsUsage(TypedDict):
    """Tokens read anew, and tokens generated, those of lines that were rejected too."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Header(TypedDict):
    """What is written. `model` is the genre's base, `created` is in Unix seconds."""

    id: str
    created: int
    genre: str
    model: str
    language: str
    title: str | None
    seed: int


class Lyrics(Header):
    """A song."""

    object: Literal["lyrics"]
    sections: list[Section]
    usage: LyricsUsage


class LyricsCreated(Header):
    """The first event of a stream."""

    type: Literal["lyrics.created"]


class LyricsLineEvent(TypedDict):
    """A line, of the section that is counted from 0."""

    type: Literal["lyrics.line"]
    section: int
    kind: Kind
    text: str
    syllables: int


class LyricsDone(TypedDict):
    """The last event before `[DONE]`."""

    type: Literal["lyrics.done"]
    usage: LyricsUsage
