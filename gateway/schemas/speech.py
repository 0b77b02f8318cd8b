"""Speech from text, as OpenAI writes it, and its voices."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier, Text

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class VoiceId(JsonRequest):
    """A voice by its id."""

    id: Text


def _voice_name(voice: object) -> object:
    return voice["id"] if isinstance(voice, dict) and isinstance(voice.get("id"), str) else voice


class SpeechRequest(JsonRequest):
    """A text to speak, and how."""

    model: ModelName | None = None
    input: Annotated[Text, Field(min_length=1, max_length=4096)]
    voice: Annotated[
        Text | None,
        Field(max_length=256),
        BeforeValidator(_voice_name, json_schema_input_type=str | VoiceId | None),
    ] = None
    voice_preset: Annotated[
        Text | None, Field(max_length=256, description="Another name of `voice`.")
    ] = None
    response_format: SpeechFormat | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None
    priority: Priority = None
    service_tier: ServiceTier = None

    @field_validator("voice_preset")
    @classmethod
    def _same_as_voice(cls, preset: str | None, info: ValidationInfo) -> str | None:
        if preset and info.data.get("voice") not in (None, "", preset):
            raise ValueError("voice_preset is another name of voice, and they differ; send one.")
        return preset


class Voice(TypedDict):
    """One voice: what `voice` of a speech request takes."""

    id: str
    object: Literal["voice"]
    model: str
    language: str


class VoiceList(TypedDict):
    """Every voice, by model, then by name."""

    object: Literal["list"]
    data: list[Voice]
