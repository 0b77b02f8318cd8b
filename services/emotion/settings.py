"""What the emotion container can be told."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.residency.placement import TRITON
from services.runtime.settings import AudioSettings, TritonSettings

#: Requests that a Triton server is given at once: what it computes side by side, and a queue of its
#: own in which what is urgent overtakes; and so many urgent ones beside them.
ON_TRITON, URGENT_ON_TRITON = 32, 8
#: What `emotion_speech` takes on a Triton server, bytes, measured: one process for all streams.
EAR_BYTES = 110_000_000


class EmotionSettings(AudioSettings, TritonSettings):
    """Read from variables named `ORFEON_EMOTION_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_EMOTION_", frozen=True, extra="ignore")

    max_audio_seconds: Annotated[float, Field(gt=0)] = 3 * 3600
    """Longest recording accepted, checked while decoding. However long, memory stays the same."""
    max_streams: Annotated[int, Field(ge=1)] = 32
    """Live streams followed at once; one more is refused with 429."""
    stall_seconds: Annotated[float, Field(gt=0)] = 60
    """Seconds after which a live stream is ended in which nothing comes."""
    stream_ear: Literal["here", "triton"] = "here"
    """Where live streams are listened to for speech. On a Triton server that costs three times as
    much as here and some milliseconds, and who computes nothing here computes nothing at all."""
    fallback_slots: Annotated[int, Field(ge=1)] = 1
    """Requests that fallback models work on at once, beside the slots."""
    max_fallbacks: Annotated[int, Field(ge=1)] = 16
    """Requests that may be with fallback models at once, waiting ones too."""
    slots: Annotated[int, Field(ge=1)] = 1
    """Requests worked on at once: those that a Triton server computes are 32 unless told otherwise,
    since it has the order of the levels too."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder may run; auto takes a GPU where ONNX Runtime or torch can use one."""

    @property
    def urgent_slots(self) -> int:
        """See `ServiceSettings`. What is urgent overtakes on the server, once it is there."""
        return URGENT_ON_TRITON if self.engine == TRITON else 0

    @property
    def memory_elsewhere(self) -> dict[str, int]:
        """See `ServiceSettings`. An ear there is no lease: no stream could go on without it."""
        taken = EAR_BYTES if self.stream_ear == TRITON else 0
        return {device: max(0, size - taken) for device, size in super().memory_elsewhere.items()}

    @model_validator(mode="before")
    @classmethod
    def _many_at_once_on_a_server(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("engine") == TRITON:
            return {"slots": ON_TRITON, **given}
        return given
