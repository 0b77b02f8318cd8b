"""What a servicer works with: `async with host.lease(context, name, task=...) as leased`.

A lease is a turn in the scheduler and a model in memory, in that order and for as long as the
block lasts.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from services.runtime.context import RequestContext
from services.runtime.errors import ModelLoading
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency import Residency, State
from services.runtime.scheduler import Scheduler, Ticket
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics

log = logging.getLogger(__name__)


class LoadedModel(Protocol):
    """A model in memory, whatever else it can do."""

    def close(self) -> None:
        """Gives its memory back. Blocking; called when nobody uses the model."""


M = TypeVar("M", bound=LoadedModel)
M_co = TypeVar("M_co", bound=LoadedModel, covariant=True)


class Engine(Protocol[M_co]):
    """Reads models of one kind into memory. There is one engine per model library."""

    def load(self, manifest: Manifest, folder: Path) -> M_co:
        """Reads the model whose files lie in `folder`. Blocking; called in a thread."""


@dataclass(frozen=True, slots=True)
class Leased(Generic[M]):
    """A model to work with until the lease ends."""

    manifest: Manifest
    model: M


class ModelHost(Generic[M]):
    """The models of one container, behind one queue."""

    def __init__(
        self,
        registry: Registry,
        engines: Mapping[str, Engine[M]],
        settings: ServiceSettings,
        metrics: ServiceMetrics,
    ) -> None:
        self.registry = registry
        self._engines = engines
        self._only_engine = settings.engine
        self._loading_defaults: set[str] = set()
        self._residency: Residency[M] = Residency(
            load=self._load,
            unload=lambda model: asyncio.to_thread(model.close),
            size=lambda name: registry.get(name).memory_bytes,
            observer=metrics,
            ttl=settings.model_ttl,
            budget=settings.memory_budget,
        )
        self._scheduler = Scheduler(
            slots=settings.slots,
            max_queued=settings.max_queued,
            is_resident=self._residency.is_resident,
            observer=metrics,
        )

    @asynccontextmanager
    async def lease(
        self, context: RequestContext, name: str, *, task: str, cost: float = 1.0
    ) -> AsyncIterator[Leased[M]]:
        """Waits for the request's turn and for the model `name` ('' is the task's default).

        Raises `ModelNotFound`, `ModelLoading` while the container is still starting, `Overloaded`,
        `DeadlineExceeded`, `OutOfMemory`.
        """
        manifest = self.ready(name, task)
        ticket = Ticket(manifest.name, context.priority, context.key_id, context.deadline, cost)
        async with self._scheduler.slot(ticket), self._residency.lease(manifest.name) as model:
            yield Leased(manifest, model)

    def ready(self, name: str, task: str) -> Manifest:
        """The manifest of the model that a lease would give; takes no turn.

        Raises `ModelNotFound`, `ModelLoading` while the container is still starting.
        """
        manifest = self.registry.resolve(name, task)
        if manifest.name in self._loading_defaults:
            raise ModelLoading(
                f"The model {manifest.name!r} is still being loaded; try again shortly.",
                param="model",
                retry_after=2.0,
            )
        return manifest

    def state(self, manifest: Manifest) -> State:
        """Where the model is in its life."""
        return self._residency.state(manifest.name)

    def resident_bytes(self, manifest: Manifest) -> int:
        """Bytes the model takes now."""
        return self._residency.resident_bytes(manifest.name)

    async def preload(self) -> None:
        """Loads every default model. Raises what the first failing load raised."""
        defaults = [manifest.name for manifest in self.registry.defaults()]
        self._loading_defaults = set(defaults)
        for name in defaults:
            async with self._residency.lease(name):
                self._loading_defaults.discard(name)

    async def expire(self) -> None:
        """Unloads what has been idle for too long, once a second, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            await self._residency.expire()

    def drain(self) -> None:
        """Takes no new request."""
        self._scheduler.drain()

    async def close(self) -> None:
        """Unloads every model."""
        await self._residency.close()

    async def _load(self, name: str) -> M:
        manifest = self.registry.get(name)
        engine = self._engines[self._only_engine or manifest.engine]
        log.info("model loading", extra={"model": name, "engine": manifest.engine})
        # The fake engine needs no weights, so nothing is fetched for it.
        fake = self._only_engine == "fake"
        folder = Path() if fake else await asyncio.to_thread(self.registry.folder, manifest)
        return await asyncio.to_thread(engine.load, manifest, folder)
