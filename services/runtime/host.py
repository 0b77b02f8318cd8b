"""What a servicer works with: `async with host.lease(context, name, task=...) as leased`.

A lease is a turn in the scheduler and a model in memory for as long as the block lasts.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from services.runtime import tracing, worker
from services.runtime.arbiter_client import ArbiterClient
from services.runtime.context import NORMAL, RequestContext
from services.runtime.errors import (
    ModelLoadFailed,
    ModelLoading,
    ModelNotFound,
    OrfeonError,
    OutOfMemory,
    ServiceUnavailable,
)
from services.runtime.footprint import footprint_of
from services.runtime.manifest import TRITON_MODEL, Manifest
from services.runtime.reclaim import unload
from services.runtime.registry import Registry
from services.runtime.residency import (
    Facts,
    Footprint,
    Ledger,
    Placement,
    Residency,
    State,
    devices,
)
from services.runtime.residency.placement import CPU, TRITON
from services.runtime.scheduler import Entry, Scheduler, Ticket, Turn
from services.runtime.scheduler.ticket import harmless
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics
from services.runtime.urgency import Urgency

log = logging.getLogger(__name__)


class LoadedModel(Protocol):
    """A model in memory, whatever else it can do."""

    def close(self) -> None:
        """Gives its memory back. Blocking; called when nobody uses the model."""


M = TypeVar("M", bound=LoadedModel)
M_co = TypeVar("M_co", bound=LoadedModel, covariant=True)


class Engine(Protocol[M_co]):
    """Reads models of one kind into memory. There is one engine per model library."""

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of device that it can use here: `cpu`, `cuda`."""

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> M_co:
        """Reads the model whose files lie in `folder`. Blocking; called in a thread."""


@dataclass(frozen=True, slots=True)
class Leased(Generic[M]):
    """A model to work with until the lease ends."""

    manifest: Manifest
    model: M
    turn: Turn

    def spent(self, cost: float) -> None:
        """Says what the work really took, in the unit of the cost that was asked for."""
        self.turn.cost = cost


@dataclass(frozen=True, slots=True)
class Beside(Generic[M]):
    """A model to work with beside the queue, without a turn."""

    manifest: Manifest
    model: M


class ModelHost(Generic[M]):
    """The models of one container, behind one queue."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        engines: Mapping[str, Engine[M]],
        settings: ServiceSettings,
        metrics: ServiceMetrics,
    ) -> None:
        self.registry = registry
        self.metrics = metrics
        self._engines = engines
        self._engine_setting = settings.engine
        self._patience = settings.max_wait_normal
        self._met: set[str] = set()
        self._loading_defaults: set[str] = set()
        self._residency: Residency[M] = Residency(
            load=self._load,
            unload=lambda model, placement: worker.apart(lambda: unload(model, placement)),
            footprint=self._footprint,
            observer=metrics,
            ttl=settings.model_ttl,
            load_timeout=settings.load_timeout,
            pinned=list(map(self._called, settings.pinned)),
        )
        self._scheduler = Scheduler(
            slots=settings.slots,
            models=self._residency,
            observer=metrics,
            policy=settings.policy,
        )
        self._residency.listener = self._scheduler
        metrics.counts(lambda: self._scheduler.queued + self._scheduler.running)
        self._arbiter = ArbiterClient(settings.arbiter, name) if settings.arbiter else None
        if self._arbiter is not None:
            self._residency.memory = self._arbiter
        else:
            capacity = devices.capacity({CPU: settings.memory_budget}) | settings.memory_elsewhere
            ledger = Ledger(capacity, measured=devices.free)
            self._residency.memory = ledger.join(name, self._residency)

    async def start(self) -> None:
        """Meets the arbiter, where there is one."""
        if self._arbiter is not None:
            await self._arbiter.start(self._residency)

    @asynccontextmanager
    async def lease(
        self, context: RequestContext, name: str, *, task: str, cost: float = 1.0
    ) -> AsyncIterator[Leased[M]]:
        """Waits for the request's turn and for the model `name` ('' is the task's default).

        `cost` estimates the work in a unit of the capability's choice: tokens, seconds of audio.
        Raises `ModelNotFound`, `ModelLoading` while the container is still starting, `Overloaded`,
        `DeadlineExceeded`, `OutOfMemory`, `ModelLoadFailed`, `ServiceUnavailable` where what
        computes the model is away.
        """
        manifest = self.ready(name, task)
        weights = self.registry.weights(manifest)
        ticket = Ticket(
            weights.name,
            context.priority,
            context.key_id,
            context.deadline,
            cost,
            context.request_id,
        )
        asked = time.monotonic()
        cold = self._residency.facts(weights.name).state is not State.LOADED
        await self._meet(weights)
        async with self._scheduler.turn(ticket) as turn:
            began = time.monotonic()
            facts: dict[str, str | int] = {
                "gen_ai.request.model": manifest.name,
                "orfeon.priority": context.priority,
            }
            tracing.past("queue", began - asked, facts | {"orfeon.model.cold": cold})
            try:
                with tracing.span("inference", facts):
                    yield Leased(manifest, self._residency.model(weights.name), turn)
                self.metrics.worked(task, harmless(cost if turn.cost is None else turn.cost))
            finally:
                log.info(
                    "turn ended",
                    extra={
                        "model": manifest.name,
                        "priority": context.priority,
                        "key": context.key_id,
                        "waited": round(began - asked, 4),
                        "seconds": round(time.monotonic() - began, 4),
                    },
                )

    @asynccontextmanager
    async def beside(
        self, context: RequestContext, name: str, *, task: str
    ) -> AsyncIterator[Beside[M]]:
        """The model `name` without a turn, for as long as the block lasts.

        For small models that answer in the stead of one that has no time: they must not wait in the
        queue that is full. Whoever calls bounds how many work at once. Raises `ModelNotFound`,
        `OutOfMemory`, `ModelLoadFailed`.
        """
        manifest = self.ready(name, task)
        weights = self.registry.weights(manifest).name
        await self._meet(self.registry.get(weights))
        now = time.monotonic()
        urgency = Urgency(context.priority, now, now + self._patience)
        async with self._residency.lease(weights, urgency) as model:
            yield Beside(manifest, model)

    def ready(self, name: str, task: str) -> Manifest:
        """The manifest of the model that a lease would give; takes no turn.

        Raises `ModelNotFound`, `ModelLoading` while the container is still starting.
        """
        manifest = self.registry.resolve(name, task)
        if self.registry.weights(manifest).name in self._loading_defaults:
            progress = self.facts(manifest).progress
            raise ModelLoading(
                f"The model {manifest.name!r} is still being loaded, about {progress:.0%} done; "
                "try again shortly.",
                param="model",
                retry_after=2.0,
                facts={"progress": progress},
            )
        return manifest

    def facts(self, manifest: Manifest) -> Facts:
        """Where the model is in its life, and what it takes; a profile tells of its base."""
        return self._residency.facts(self.registry.weights(manifest).name)

    def entries(self) -> list[Entry]:
        """Every request: those worked on, then those that wait in their order."""
        return self._scheduler.entries()

    async def load(self, name: str, *, pinned: bool | None) -> None:
        """Loads a model; `pinned` says whether it may be evicted, None leaves that as it is.

        Raises `ModelNotFound`, `OutOfMemory`, `ModelLoadFailed`.
        """
        manifest = self.registry.weights(self.registry.get(name))
        await self._meet(manifest)
        now = time.monotonic()
        # As a request of level 1 that has the same patience: it comes, however busy others are.
        urgency = Urgency(NORMAL, now, now + self._patience)
        async with self._residency.lease(manifest.name, urgency):
            if pinned is not None:
                self._residency.pin(manifest.name, pinned)

    async def unload(self, name: str) -> None:
        """Unpins a model and unloads it once running requests have ended; returns when it has gone.

        Raises `ModelNotFound`.
        """
        await self._residency.unload(self.registry.weights(self.registry.get(name)).name)

    async def preload(self) -> None:
        """Loads every default model that there is free memory for; the rest come when asked for.

        What a default model names as `fallback` in its options comes too, and stays. Raises what
        the first failing load of a default raised.
        """
        weights = map(self.registry.weights, self.registry.defaults())
        defaults = list(dict.fromkeys(manifest.name for manifest in weights))
        stand_ins = self._stand_ins(defaults)
        self._loading_defaults = {*defaults, *stand_ins}
        for name in [*defaults, *stand_ins]:
            await self._meet(self.registry.get(name))
            try:
                async with self._residency.lease(name, evict=False):
                    pass
            except OrfeonError as error:
                # Without what stands in for a model, that one answers all the same.
                if name in defaults and not isinstance(error, OutOfMemory):
                    raise
                log.warning("model not preloaded", extra={"model": name, "why": error.message})
            self._loading_defaults.discard(name)

    async def expire(self) -> None:
        """Once a second, until cancelled, does what comes with time alone.

        Unloads what has been idle for too long, and looks again at a queue in which something may
        have become overdue.
        """
        while True:
            await asyncio.sleep(1.0)
            try:
                self._residency.expire()
                self._scheduler.changed()
            except Exception:
                # Ageing goes on, whatever went wrong this time.
                log.exception("models not looked at")

    def drain(self) -> None:
        """Takes no new request."""
        self._scheduler.drain()

    async def close(self) -> None:
        """Unloads every model."""
        await self._residency.close()
        if self._arbiter is not None:
            await self._arbiter.close()

    async def _meet(self, manifest: Manifest) -> None:
        """Makes the model's engine, if there is none yet, apart from the loop: to import a library
        takes longer than a loop may stand. What fails here fails again, and is told, with the load.
        """
        name = self._engine_name(manifest)
        if name not in self._met:
            with contextlib.suppress(Exception):
                await worker.apart(lambda: self._engines[name])
                self._met.add(name)

    def _stand_ins(self, names: list[str]) -> list[str]:
        """What stands in for some models. It is pinned: to be loaded first would take too long."""
        found = []
        for name in names:
            fallback = self.registry.get(name).options.get("fallback")
            if fallback is None:
                continue
            try:
                found.append(self.registry.weights(self.registry.get(fallback)).name)
            except ModelNotFound:
                log.warning("no such fallback", extra={"model": name, "fallback": fallback})
        self._residency.pinned.update(found)
        return [name for name in found if name not in names]

    def _called(self, name: str) -> str:
        """The name of a model that was named by hand, perhaps by an alias."""
        try:
            return self.registry.weights(self.registry.get(name)).name
        except ModelNotFound:
            log.warning("no such model, so it cannot be pinned", extra={"model": name})
            return name

    def _engine_name(self, manifest: Manifest) -> str:
        """The setting's engine, or the model's own; a Triton server has but the models that name
        one of its own.
        """
        if self._engine_setting == TRITON and TRITON_MODEL not in manifest.options:
            return manifest.engine
        return self._engine_setting or manifest.engine

    def _engine(self, manifest: Manifest) -> Engine[M]:
        return self._engines[self._engine_name(manifest)]

    def _footprint(self, name: str) -> Footprint:
        manifest = self.registry.get(name)
        on_triton = self._engine_name(manifest) == TRITON
        return footprint_of(manifest, self._engine(manifest).kinds, on_triton=on_triton)

    async def _load(self, name: str, placement: Placement) -> M:
        manifest = self.registry.get(name)
        engine = self._engine(manifest)
        log.info(
            "model loading",
            extra={
                "model": name,
                "engine": self._engine_name(manifest),
                "device": placement.device,
            },
        )

        def load() -> M:
            # These need no weights here, so nothing is fetched for them.
            if self._engine_name(manifest) in ("fake", TRITON):
                return engine.load(manifest, Path(), placement)
            folder = self._files(manifest)
            return engine.load(self.registry.usable(manifest), folder, placement)

        with tracing.span("load", {"gen_ai.request.model": name}, shared=True):
            return await worker.apart(load)

    def _files(self, manifest: Manifest) -> Path:
        try:
            return self.registry.folder(manifest)
        except ServiceUnavailable as error:
            # This model fails, the service is as available as ever.
            raise ModelLoadFailed(
                error.message, param="model", retry_after=error.retry_after
            ) from error
