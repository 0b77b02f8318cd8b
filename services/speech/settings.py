"""What the speech container can be told."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import AudioSettings


class SpeechSettings(AudioSettings):
    """Read from variables named `ORFEON_SPEECH_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_SPEECH_", frozen=True, extra="ignore")

    slots: Annotated[int, Field(ge=1)] = 2
    """Requests worked on at once: two, so that a long recording does not silence the voice."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where Whisper runs. `cuda` takes a CTranslate2 that finds the CUDA libraries."""
    compute_type: str = "int8"
    """Number type Whisper computes in, as CTranslate2 names them: `int8`, `float16`, `float32`."""
