"""What the speech container can be told."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import AudioSettings, TritonSettings


class SpeechSettings(AudioSettings, TritonSettings):
    """Read from variables named `ORFEON_SPEECH_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_SPEECH_", frozen=True, extra="ignore")

    slots: Annotated[int, Field(ge=1)] = 2
    """Requests worked on at once: two, so that a long recording does not silence the voice."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where Whisper and Bark may run; auto takes a GPU that CTranslate2, or torch, finds. Piper's
    voices need none."""
    compute_type: str = ""
    """Number type Whisper computes in, as CTranslate2 names them: `int8`, `float16`, `float32`.
    Empty takes `int8` on the CPU and, on a GPU, what the weights are in."""
