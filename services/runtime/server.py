"""The gRPC server that every capability container is: start, load, serve, drain.

It is ready once the default models are in memory, and no longer while draining.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from services.runtime.endpoint import Endpoint, stop_signal
from services.runtime.errors import ServiceUnavailable
from services.runtime.host import Engine, M, ModelHost
from services.runtime.models import ModelServicer
from services.runtime.queue import QueueServicer
from services.runtime.reclaim import keep_one_heap
from services.runtime.registry import Registry
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import configure_logging
from services.runtime.threads import wait_patiently

log = logging.getLogger(__name__)

#: Beside those of the turns: for reading files and the like.
SPARE_THREADS = 8

#: Seconds between two tries to load the default models where what computes them is away.
_PAUSE = 1.0

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Capability(Generic[M, S]):
    """What makes one container different from the next."""

    name: str
    """The word used everywhere: `chat`, `lyrics`, `speech`, `emotion`, `melody`, `images`."""
    service: str
    """Full gRPC name of its contract's service."""
    models: Path
    """Folder of the model folders that come with it."""
    engines: Mapping[str, Callable[[S], Engine[M]]]
    """How to make the engine that a `model.yaml` names; imports the model library when called."""
    register: Callable[[grpc.aio.Server, ModelHost[M], S], None]
    """Adds the servicer to the server."""


class _OnDemand(Mapping[str, Engine[M]]):
    """Engines made when a model first asks for them: a container imports only what it uses."""

    def __init__(self, factories: Mapping[str, Callable[[S], Engine[M]]], settings: S) -> None:
        self._factories: Mapping[str, Callable[[Any], Engine[M]]] = factories
        self._settings = settings
        self._made: dict[str, Engine[M]] = {}
        self._making = threading.Lock()

    def __getitem__(self, name: str) -> Engine[M]:
        if name not in self._made:
            with self._making:
                if name not in self._made:
                    self._made[name] = self._factories[name](self._settings)
        return self._made[name]

    def __iter__(self) -> Any:
        return iter(self._factories)

    def __len__(self) -> int:
        return len(self._factories)


class Container(Generic[M, S]):
    """One running capability: `async with Container(capability, settings)` serves in the block."""

    def __init__(self, capability: Capability[M, S], settings: S) -> None:
        self._settings = settings
        self._capability = capability
        self._endpoint = Endpoint(
            capability.name,
            (
                capability.service,
                models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
                queue_pb2.DESCRIPTOR.services_by_name["QueueService"].full_name,
            ),
            settings,
        )
        registry = Registry(
            settings.home,
            [capability.models],
            capability.name,
            engines=capability.engines,
            shared=settings.shared_models,
        )
        engines = _OnDemand(capability.engines, settings)
        self.host: ModelHost[M] = ModelHost(
            capability.name, registry, engines, settings, self._endpoint.metrics
        )
        self._stopping = False
        self.ready = False

    async def start(self) -> None:
        """Listens. Answers `ModelLoading` until `load` has run."""
        server = self._endpoint.server
        self._capability.register(server, self.host, self._settings)
        models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(self.host), server)
        queue_pb2_grpc.add_QueueServiceServicer_to_server(QueueServicer(self.host), server)
        await self._set_ready(False)
        await self.host.start()
        await self._endpoint.start()

    async def load(self) -> None:
        """Loads the default models and turns the health to SERVING, unless it is stopped first.

        Waits for as long as what computes them, a Triton server, is away.
        """
        while self._settings.preload:
            try:
                await self.host.preload()
                break
            except ServiceUnavailable as error:
                if self._stopping:
                    return
                if type(error) is not ServiceUnavailable:
                    raise
                log.warning("models wait", extra={"why": error.message})
                await asyncio.sleep(_PAUSE)
        await self._set_ready(True)
        log.info("ready")

    async def stop(self) -> None:
        """Lets running requests end within the drain time, then closes everything."""
        self._stopping = True
        await self._set_ready(False)
        self.host.drain()
        await self._endpoint.stop(self._settings.drain_seconds)
        await self.host.close()

    async def _set_ready(self, ready: bool) -> None:
        self.ready = ready and not self._stopping
        await self._endpoint.set_ready(self.ready)


async def _serve(capability: Capability[M, S], settings: S) -> None:
    stopping = stop_signal()
    loop = asyncio.get_running_loop()
    # Every turn has a thread at work; asyncio's own number of threads knows nothing of slots.
    turns = settings.slots + settings.urgent_slots
    loop.set_default_executor(ThreadPoolExecutor(turns + SPARE_THREADS))
    container = Container(capability, settings)
    await container.start()
    stop = asyncio.ensure_future(stopping.wait())
    load = asyncio.ensure_future(container.load())
    expire = asyncio.ensure_future(container.host.expire())
    await asyncio.wait([stop, load], return_when=asyncio.FIRST_COMPLETED)
    if load.done():
        load.result()  # A container whose default model cannot be loaded is of no use: it ends.
        await stop
    for task in (load, expire):
        task.cancel()
    await asyncio.wait([load, expire])
    await container.stop()


def run(capability: Capability[M, S], settings: S) -> None:
    """Serves until SIGTERM or SIGINT. Raises what loading the default models raised."""
    configure_logging(settings.log_level)
    wait_patiently()
    keep_one_heap()
    asyncio.run(_serve(capability, settings))
