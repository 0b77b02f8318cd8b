"""What the melody container can be told."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import AudioSettings, TritonSettings


class MelodySettings(AudioSettings, TritonSettings):
    """Read from variables named `ORFEON_MELODY_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_MELODY_", frozen=True, extra="ignore")

    max_audio_seconds: Annotated[float, Field(gt=0)] = 60
    """Longest recording accepted whose melody to follow."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models that make sound itself may run; auto takes a GPU that torch finds. Those that
    write notes need none."""
