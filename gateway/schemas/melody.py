"""Music, and sounds in ElevenLabs' shape; routes of ours, in OpenAI's manner."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier, Text
from gateway.schemas.transcription import UsageDuration

MelodyFormat = Literal["mp3", "wav", "flac", "ogg", "midi", "musicxml", "zip"]
SectionKind = Literal["intro", "verse", "pre-chorus", "chorus", "bridge", "outro", "solo"]
Seconds = Annotated[float, Field(ge=1, le=180)]


class MelodySection(JsonRequest):
    """A part of the form; with lines, the melody has a note for each syllable."""

    kind: SectionKind
    lines: Annotated[
        list[Annotated[int, Field(ge=1, le=40)]],
        Field(max_length=64, description="Syllables of each line; none where nobody sings."),
    ] = Field(default_factory=list)


class MelodyRequest(JsonRequest):
    """A piece of music. Everything may be left out; empty texts count as left out."""

    model: ModelName | None = None
    genre: Annotated[
        Text, Field(max_length=40, description="One of /v1/melodies/genres; any, for some models.")
    ] = ""
    mood: Annotated[
        Text, Field(max_length=40, description="A label of emotion, as classifications have them.")
    ] = ""
    prompt: Annotated[
        Text, Field(max_length=1000, description="Words, for models that read them.")
    ] = ""
    duration: Annotated[
        Seconds | None,
        Field(description="Seconds; left out, as long as the sections need, or 30."),
    ] = None
    tempo: Annotated[
        float | None, Field(ge=40, le=240, description="Quarter notes per minute.")
    ] = None
    key: Annotated[
        Text, Field(max_length=40, description="Tonic and mode, such as `C major` or `F# minor`.")
    ] = ""
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            lt=2**63,
            description="The same seed and request give the same notes; without, others.",
        ),
    ] = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    guidance: Annotated[
        float | None,
        Field(
            ge=0,
            le=10,
            validation_alias=AliasChoices("guidance", "cfg"),
            description="How strictly to keep to what is asked for; `cfg` is the same.",
        ),
    ] = None
    sections: Annotated[
        list[MelodySection],
        Field(
            max_length=32,
            description="The form, in order. Sections of one kind with the same lines have the "
            "same melody.",
        ),
    ] = Field(default_factory=list)
    response_format: Annotated[
        MelodyFormat | None,
        Field(
            description="`zip` has the sound and that of each part as flac, the notes as MIDI and "
            "MusicXML, and where each line is sung."
        ),
    ] = None
    stream_format: Literal["audio", "sse"] | None = None
    priority: Priority = None
    service_tier: ServiceTier = None


class SoundRequest(JsonRequest):
    """A sound that words describe, as ElevenLabs writes it."""

    text: Annotated[Text, Field(min_length=1, max_length=1000)]
    model_id: Annotated[
        ModelName | None, Field(validation_alias=AliasChoices("model_id", "model"))
    ] = None
    duration_seconds: Seconds | None = None
    prompt_influence: Annotated[
        float | None,
        Field(ge=0, le=1, description="A tenth of a melody's `guidance`."),
    ] = None
    priority: Priority = None
    service_tier: ServiceTier = None


class Genre(TypedDict):
    """A genre and its tempo, quarter notes per minute."""

    id: str
    object: Literal["genre"]
    slowest: float
    fastest: float


class GenreList(TypedDict):
    """Every genre that a model knows, by name."""

    object: Literal["list"]
    data: list[Genre]


class MelodyCreated(TypedDict):
    """The first event of a stream. `created` is in Unix seconds, `duration` in seconds.

    Genre, tempo and key are null where the model does not say.
    """

    type: Literal["melody.created"]
    id: str
    created: int
    model: str
    genre: str | None
    seed: int
    duration: float
    tempo: float | None
    key: str | None


class MelodyProgress(TypedDict):
    """How far it is, 0 to 1."""

    type: Literal["melody.progress"]
    progress: float


class MelodyAudioDelta(TypedDict):
    """The next bytes of the audio file, in base64."""

    type: Literal["melody.audio.delta"]
    audio: str


class MelodyArtifact(TypedDict):
    """The next bytes of another file, in base64. Those of one name come in order."""

    type: Literal["melody.artifact"]
    name: str
    data: str


class MelodyDone(TypedDict):
    """The last event before `[DONE]`."""

    type: Literal["melody.done"]
    usage: UsageDuration
