"""Leases of services that are loads of a real Triton server, under one arbiter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import yaml
from tritonclient.grpc import InferenceServerClient

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from services.arbiter.server import ArbiterServer
from services.arbiter.settings import ArbiterSettings
from services.runtime.context import RequestContext
from services.runtime.errors import OutOfMemory, ServiceUnavailable
from services.runtime.host import Leased
from services.runtime.residency.ledger import Ledger
from services.runtime.server import Capability, Container
from services.runtime.settings import TritonSettings
from services.runtime.triton.server import Call
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, write_toys

#: Bytes of a model, and of the server's memory: room for two.
SIZE, ROOM = 100, 250
TOYS = ("echo", "slow", "faulty")


def toys(models: Path, name: str) -> Capability[RemoteModel, TritonSettings]:
    """A capability whose models are the toys, one of them its default."""
    return Capability(
        name=name,
        service="toys.v1.ToyService",
        models=models,
        engines={
            "triton": lambda settings: TritonEngine(
                settings, lambda manifest: INTERFACES[manifest.options["triton_model"]], RemoteModel
            ),
        },
        register=lambda server, host, settings: None,
    )


def describe(folder: Path, capability: str, names: tuple[str, ...], size: int) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        fields = {
            "name": f"{capability}-{name}", "capability": capability, "engine": "triton",
            "tasks": ["music"], "owned_by": "us", "licence": "MIT", "memory_bytes": size,
            "options": {"triton_model": name}, "default": name == names[0], "files": {},
        }  # fmt: skip
        (folder / name / "model.yaml").write_text(yaml.safe_dump(fields))
    return folder


@dataclass
class World:
    """A server, and where it and the arbiter of its memory are."""

    folder: Path
    triton: Triton
    arbiter: str

    @asynccontextmanager
    async def service(
        self, capability: str, *names: str, load: bool = False, size: int = SIZE
    ) -> AsyncIterator[Container[RemoteModel, TritonSettings]]:
        """A service whose models are on the server."""
        models = describe(self.folder / capability, capability, names, size)
        settings = TritonSettings(
            ORFEON_HOME=self.folder / "home",
            ORFEON_ARBITER=self.arbiter,
            address=f"unix:{self.folder / capability}.sock",
            engine="triton",
            slots=4,
            triton_url=self.triton.url,
            triton_patience=5,
            drain_seconds=1,
            preload=load,
        )
        container = Container(toys(models, capability), settings)
        await container.start()
        try:
            yield container
        finally:
            await container.stop()

    def loaded(self) -> set[str]:
        with InferenceServerClient(self.triton.url) as client:
            index = client.get_model_repository_index()
            return {each.name for each in index.models if each.state == "READY"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    triton = Triton(tmp_path, {}, write_toys(tmp_path))
    address = f"unix:{tmp_path / 'arbiter.sock'}"
    settings = ArbiterSettings(address=address, state=tmp_path / "state", settle_seconds=0)
    arbiter = ArbiterServer(Ledger({"cpu": 10**9, "triton": ROOM}), settings)
    await arbiter.start()
    await asyncio.to_thread(triton.start)
    yield World(tmp_path, triton, address)
    await arbiter.stop()
    await asyncio.to_thread(triton.discard)


@asynccontextmanager
async def leased(
    container: Container[RemoteModel, TritonSettings], name: str, level: int = 1
) -> AsyncIterator[Leased[RemoteModel]]:
    context = RequestContext(request_id="r", key_id="k", priority=level, deadline=None)
    async with container.host.lease(context, name, task="music") as lease:
        yield lease


async def asked(
    container: Container[RemoteModel, TritonSettings], name: str, level: int = 1
) -> float:
    async with leased(container, name, level) as lease:
        tensors = {"X": np.array([0.0], np.float32)}
        answer = await asyncio.to_thread(lease.model.infer, tensors, Call(level, 20))
        return float(answer["Y"][0])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0.05)


async def test_two_services_share_the_memory_of_one_server(world: World) -> None:
    async with (
        world.service("melody", "echo", "slow") as melody,
        world.service("chat", "faulty") as chat,
    ):
        assert world.loaded() == set()
        await asked(melody, "melody-echo")
        await asked(melody, "melody-slow")
        assert world.loaded() == {"echo", "slow"}

        # There is room for two: the idle one goes, on the server.
        async with leased(melody, "melody-slow"):
            await asked(chat, "chat-faulty", level=0)
            assert world.loaded() == {"slow", "faulty"}

        async with grpc.aio.insecure_channel(f"unix:{world.folder / 'chat'}.sock") as channel:
            models: models_pb2_grpc.ModelServiceAsyncStub
            models = models_pb2_grpc.ModelServiceStub(channel)
            [shown] = (await models.ListModels(models_pb2.ListModelsRequest())).models
        assert (shown.device, shown.resident_bytes) == ("triton", SIZE)
    # What services leave behind, they leave to nobody.
    await until(lambda: world.loaded() == set())


async def test_a_model_at_work_goes_once_it_is_done(world: World) -> None:
    async with world.service("melody", "slow", "echo", "faulty") as melody:
        await asked(melody, "melody-echo")
        async with leased(melody, "melody-slow") as lease:
            working = asyncio.create_task(
                asyncio.to_thread(
                    lease.model.infer, {"X": np.array([1.0], np.float32)}, Call(timeout=20)
                )
            )
            going = asyncio.create_task(melody.host.unload("melody-slow"))
            await asyncio.sleep(0.2)
            assert not going.done()
            assert (await working)["Y"] == [1]
        await going
        assert world.loaded() == {"echo"}


async def test_the_memory_of_a_server_that_died_is_still_what_it_will_be(world: World) -> None:
    async with world.service("melody", "echo", "slow", "faulty") as melody:
        await asked(melody, "melody-echo")
        await asked(melody, "melody-slow")
        await asyncio.to_thread(world.triton.kill)
        with pytest.raises(ServiceUnavailable):
            await asked(melody, "melody-echo")
        await asyncio.to_thread(world.triton.start)
        assert world.loaded() == set()
        # What the ledger holds comes back when it is asked for, and goes when others need it.
        assert await asked(melody, "melody-slow") == 0
        assert world.loaded() == {"slow"}
        # The other one goes: which of two idle ones goes rests on how long they took to load.
        async with leased(melody, "melody-slow"):
            await asked(melody, "melody-faulty")
        assert world.loaded() == {"slow", "faulty"}


async def test_what_fits_nowhere_is_refused(world: World) -> None:
    async with world.service("melody", "echo", size=ROOM + 1) as melody:
        with pytest.raises(OutOfMemory, match="on triton"):
            await asked(melody, "melody-echo")


async def test_a_service_waits_for_a_server_that_is_not_there_yet(world: World) -> None:
    await asyncio.to_thread(world.triton.kill)
    async with world.service("melody", "echo", load=True) as melody:
        loading = asyncio.create_task(melody.load())
        with pytest.raises(ServiceUnavailable):
            async with leased(melody, "melody-echo"):
                pass
        await asyncio.sleep(6)  # More than its patience with one load.
        assert not loading.done()
        assert not melody.ready
        await asyncio.to_thread(world.triton.start)
        await asyncio.wait_for(loading, 120)
        assert melody.ready
        assert await asked(melody, "melody-echo") == 0
