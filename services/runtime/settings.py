"""What every capability container can be told; `services/<name>/settings.py` adds its own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.threads import per_slot


class ServiceSettings(BaseSettings):
    """Settings of a capability container.

    Read once, in the container's `__main__`, from variables named `ORFEON_<CAPABILITY>_<FIELD>`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    home: Annotated[Path, Field(validation_alias="ORFEON_HOME")] = Path.home() / ".orfeon"
    """Where models and state live; shared by every process of one machine."""
    log_level: Annotated[str, Field(validation_alias="ORFEON_LOG_LEVEL")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    address: str = "0.0.0.0:50051"
    """Where gRPC listens: `host:port` or `unix:/path`."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the Prometheus endpoint; 0 serves none."""
    metrics_host: str = "0.0.0.0"
    """Address that the Prometheus endpoint listens on."""
    engine: str = ""
    """`fake` answers without weights, for clusters on a laptop; empty lets each model say."""
    preload: bool = True
    """Load the default models at start. The container is ready once they are in memory."""
    slots: Annotated[int, Field(ge=1)] = 1
    """Requests worked on at once. More than the hardware can run side by side makes all slower."""
    max_queued: Annotated[int, Field(ge=0)] = 64
    """Requests that may wait; one more is refused at once with 429, rather than time out later."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads an engine may use for one request; 0 divides the cores by the slots."""
    model_ttl: Annotated[float, Field(ge=-1)] = -1
    """Seconds an idle model stays in memory: -1 for ever, 0 not at all."""
    memory_budget: Annotated[int, Field(ge=0)] = 0
    """Bytes that models may take together; 0 sets no bound."""
    drain_seconds: Annotated[float, Field(ge=0)] = 25
    """How long running requests may go on after SIGTERM."""

    @property
    def threads_per_slot(self) -> int:
        """Threads an engine may use for one request."""
        return per_slot(self.threads, self.slots)


class AudioSettings(ServiceSettings):
    """Settings of a container that takes recordings."""

    max_audio_bytes: Annotated[int, Field(gt=0)] = 100 * 2**20
    """Largest file accepted."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 1800
    """Longest recording accepted, checked while decoding."""
