"""What every capability container can be told; `services/<name>/settings.py` adds its own."""

import math
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.residency.placement import TRITON
from services.runtime.scheduler import Policy
from services.runtime.threads import per_slot
from services.runtime.tracing import TracesEndpoint


class ListeningSettings(BaseSettings):
    """What every process that serves gRPC can be told."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    log_level: Annotated[str, Field(validation_alias="ORFEON_LOG_LEVEL")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    address: str = "0.0.0.0:50051"
    """Where gRPC listens: `host:port` or `unix:/path`."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the Prometheus endpoint; 0 serves none."""
    metrics_host: str = "0.0.0.0"
    """Address that the Prometheus endpoint listens on."""
    traces_endpoint: TracesEndpoint = ""
    """Address of an OpenTelemetry collector that takes OTLP over HTTP; empty makes no traces."""


class ServiceSettings(ListeningSettings):
    """Settings of a capability container.

    Read once, in the container's `__main__`, from variables named `ORFEON_<CAPABILITY>_<FIELD>`.
    """

    home: Annotated[Path, Field(validation_alias="ORFEON_HOME")] = Path.home() / ".orfeon"
    """Where models and state live; shared by every process of one machine."""
    shared_models: Annotated[Path | None, Field(validation_alias="ORFEON_SHARED_MODELS")] = None
    """A folder like `models` in `home` that is only read: a volume that many containers mount."""
    engine: str = ""
    """`fake` answers without weights, for clusters on a laptop; `triton` has a Triton server
    compute the models that name one of its own; empty lets each model say."""
    preload: bool = True
    """Load the default models at start. The container is ready once they are in memory."""
    slots: Annotated[int, Field(ge=1)] = 1
    """Requests worked on at once. More than the hardware can run side by side makes all slower."""
    max_queued: Annotated[int, Field(ge=0)] = 64
    """Requests of levels 1 and 2 that may wait together; one more is refused at once with 429."""
    max_queued_per_level: tuple[int, int, int] = (16, 64, 48)
    """Requests of each level that may wait. What is urgent has room of its own, and what is in the
    background leaves some to the rest."""
    max_wait_normal: Annotated[float, Field(ge=0)] = 30
    """Seconds after which a request of level 1 lets none but level 0 before it."""
    max_wait_background: Annotated[float, Field(ge=0)] = 120
    """Seconds after which a request of level 2 lets none but level 0 before it. It joins level 1
    as much earlier as level 1 waits."""
    max_run: Annotated[int, Field(ge=0)] = 16
    """Turns that a model just loaded may have before overdue requests for another replace it."""
    fair: bool = True
    """Whether keys take turns inside a level, by what they have been served."""
    max_per_key: Annotated[int, Field(ge=0)] = 0
    """Requests of one key worked on at once; 0 sets no bound."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads an engine may use for one request; 0 divides the cores by the slots."""
    model_ttl: Annotated[float, Field(ge=-1)] = -1
    """Seconds an idle model stays in memory: -1 for ever, 0 not at all."""
    load_timeout: Annotated[float, Field(gt=0)] = 600
    """Seconds after which a model's load has failed. Fetching it counts."""
    pinned: frozenset[str] = frozenset()
    """Models that are never evicted once loaded."""
    memory_budget: Annotated[int, Field(ge=0)] = 0
    """Bytes of RAM that models may take together; 0 takes what is measured. The arbiter's budget
    goes before it."""
    arbiter: Annotated[str, Field(validation_alias="ORFEON_ARBITER")] = ""
    """Where the node's arbiter listens, with whom memory is shared; empty for a node alone."""
    drain_seconds: Annotated[float, Field(ge=0)] = 25
    """How long running requests may go on after SIGTERM."""

    @model_validator(mode="after")
    def _background_waits_longer(self) -> Self:
        if self.max_wait_background < self.max_wait_normal:
            raise ValueError("max_wait_background must be at least max_wait_normal")
        return self

    @property
    def policy(self) -> Policy:
        """The rules of the queue."""
        urgent, normal, background = self.max_queued_per_level
        return Policy(
            max_wait=(math.inf, self.max_wait_normal, self.max_wait_background),
            max_run=self.max_run,
            fair=self.fair,
            max_queued=self.max_queued,
            max_queued_per_level=(urgent, normal, background),
            max_per_key=self.max_per_key,
            urgent_slots=self.urgent_slots,
        )

    @property
    def urgent_slots(self) -> int:
        """Places beyond the slots that level 0 alone may take."""
        return 0

    @property
    def threads_per_slot(self) -> int:
        """Threads an engine may use for one request."""
        return per_slot(self.threads, self.slots)

    @property
    def memory_elsewhere(self) -> dict[str, int]:
        """Bytes that models may take on devices which are not of this node."""
        return {}


class TritonSettings(ServiceSettings):
    """Settings of a container whose models a Triton server may compute: the engine `triton`."""

    triton_url: str = "localhost:8001"
    """gRPC address of the Triton server, `host:port`."""
    triton_timeout: Annotated[float, Field(gt=0)] = 60
    """Seconds that the server may take to answer where the caller sets no limit."""
    triton_patience: Annotated[float, Field(ge=0)] = 20
    """Seconds that a request on which the server dies waits for it to be back."""
    triton_device: Literal["triton", "cpu", "cuda"] = "triton"
    """Whose memory the models there take: that of a machine of its own, which `triton_memory`
    bounds, or this node's RAM or GPUs, which are shared with what is computed here."""
    triton_memory: Annotated[int, Field(ge=0)] = 0
    """Bytes that models may take on a server of its own; 0 sets no bound. The arbiter's budget of
    the device `triton` goes before it."""
    triton_shared_memory: bool = False
    """Whether the server is on this machine and reads large tensors from memory shared with it."""

    @property
    def memory_elsewhere(self) -> dict[str, int]:
        """See `ServiceSettings`."""
        return {TRITON: self.triton_memory or sys.maxsize}


class AudioSettings(ServiceSettings):
    """Settings of a container that takes recordings."""

    max_audio_bytes: Annotated[int, Field(gt=0)] = 100 * 2**20
    """Largest file accepted."""
    upload_memory_bytes: Annotated[int, Field(gt=0)] = 256 * 2**20
    """Memory for the recordings of all requests at once, none of which is written to a disk. What
    comes while it is full is refused with 429; one recording alone has room."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 1800
    """Longest recording accepted, checked while decoding."""
