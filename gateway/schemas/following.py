"""What a live stream is asked for, and what it tells: one JSON object a message."""

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gateway.errors import ErrorBody
from gateway.schemas.classification import Heard
from gateway.schemas.fields import Text


class FollowQuery(BaseModel):
    """The query of the address: what the samples are, signed 16-bit, their channels interleaved."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[Text, Field(max_length=256)] = ""
    sample_rate: Annotated[int, Field(ge=8_000, le=96_000)] = 16_000
    channels: Annotated[int, Field(ge=1, le=8)] = 1
    priority: Annotated[int | None, Field(ge=0, le=2)] = None


class SessionCreated(TypedDict):
    """The stream is being listened to."""

    type: Literal["session.created"]
    id: str
    model: str
    labels: list[str]
    sample_rate: int
    channels: int


class SpeechStarted(TypedDict):
    """Somebody has begun to speak, `at` so many seconds of audio."""

    type: Literal["speech_started"]
    at: float


class Emotion(Heard):
    """What the voice tells between `start` and `end`; `delay` seconds after the end of that."""

    type: Literal["emotion"]
    start: float
    end: float
    delay: float


class SpeechStopped(Heard):
    """Nobody speaks any more: what all told that was said since `start`."""

    type: Literal["speech_stopped"]
    at: float
    start: float
    end: float


class SessionFinished(TypedDict):
    """All of it has been heard. Seconds."""

    type: Literal["session.finished"]
    duration: float
    speech_duration: float


class StreamError(TypedDict):
    """Why the stream ends; the last message. `retry_after` is in seconds."""

    type: Literal["error"]
    error: ErrorBody
    retry_after: NotRequired[float]
