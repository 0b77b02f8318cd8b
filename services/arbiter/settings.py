"""What the arbiter can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ListeningSettings

Device = Annotated[str, Field(pattern=r"^(cpu|cuda:\d+)$")]


class ArbiterSettings(ListeningSettings):
    """Read from variables named `ORFEON_ARBITER_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_ARBITER_", frozen=True, extra="ignore")

    budgets: dict[Device, PositiveInt] = Field(default_factory=dict)
    """Bytes that may be leased by device, as JSON: `{"cpu": 2000000000, "cuda:0": 20000000000}`.
    Devices that are not named are measured."""
    state: Path | None = None
    """Folder for what outlives the arbiter's own death; without one, nothing does."""
    lease_ttl: Annotated[float, Field(gt=0)] = 3
    """Seconds of silence after which a client is taken for gone, or for hung where it can be seen
    to live."""
    settle_seconds: Annotated[float, Field(ge=0)] = 2
    """Where nothing is known of a predecessor: how long its clients have to come back before
    anything is granted."""
