"""Songs; a route of ours, in OpenAI's manner."""

from typing import Annotated

from pydantic import Field

from gateway.schemas.fields import JsonRequest, Priority, ServiceTier, Text
from gateway.schemas.lyrics import Phrase
from services.runtime.sections import Kind


class WrittenSection(JsonRequest):
    """A section of given lyrics."""

    kind: Kind
    lines: Annotated[list[Phrase], Field(min_length=1, max_length=64)]


class SongRequest(JsonRequest):
    """A song to make. Everything may be left out; empty texts count as left out."""

    genre: Annotated[
        Text, Field(max_length=256, description="One that lyrics and melodies both know.")
    ] = ""
    title: Annotated[Phrase, Field(description="The song's title.")] = ""
    artist: Annotated[
        Phrase, Field(description="An artist or a manner to write in; the artist of the file.")
    ] = ""
    first_line: Annotated[Phrase, Field(description="The first line, kept as it is.")] = ""
    theme: Annotated[Phrase, Field(description="What the song is about.")] = ""
    mood: Annotated[
        Text,
        Field(max_length=40, description="A label of emotion; left out, that of the voice if any."),
    ] = ""
    language: Annotated[
        Text, Field(max_length=40, description="BCP 47; one of the genre's languages.")
    ] = ""
    sections: Annotated[
        list[Kind], Field(max_length=16, description="In order; left out, the genre's own.")
    ] = Field(default_factory=list)
    lines: Annotated[int | None, Field(ge=1, le=16, description="Lines of each section.")] = None
    lyrics: Annotated[
        list[WrittenSection] | None,
        Field(min_length=1, max_length=16, description="To be sung as they are, up to 64 lines."),
    ] = None
    duration: Annotated[
        float | None,
        Field(ge=10, le=180, description="Seconds; left out, as long as the lyrics need."),
    ] = None
    tempo: Annotated[
        float | None,
        Field(ge=40, le=240, description="Quarter notes per minute; left out, the genre's."),
    ] = None
    key: Annotated[Text, Field(max_length=40, description="Such as `C major` or `F# minor`.")] = ""
    instrumental: Annotated[
        bool | None, Field(description="Whether no voice shall sing the lyrics.")
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=-(2**63),
            lt=2**63,
            description="The same seed and request give the same song; without, another.",
        ),
    ] = None
    priority: Priority = None
    service_tier: ServiceTier = None
