"""The services that show and change what a host has in memory and in its queue."""

import math
from pathlib import Path

import pytest
import yaml

from orfeon.api.models.v1 import models_pb2
from orfeon.api.queue.v1 import queue_pb2
from services.runtime.errors import ModelNotFound
from services.runtime.manifest import Manifest
from services.runtime.models import STATES, ModelServicer
from services.runtime.queue import QueueServicer
from services.runtime.registry import Registry
from services.runtime.residency import Facts, State
from services.runtime.scheduler.ticket import Entry, Ticket


class FakeHost:
    """Loads and unloads at once, and has a queue."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.now = Facts(State.UNLOADED)
        self.queue: list[Entry] = []

    def facts(self, manifest: Manifest) -> Facts:
        return self.now

    async def load(self, name: str, *, pinned: bool | None) -> None:
        self.now = Facts(
            State.LOADED, 1.0, 5, "cuda:0", -1, since=9.7, expires=20.2, pinned=bool(pinned)
        )

    async def unload(self, name: str) -> None:
        self.now = Facts(State.UNLOADED)

    def entries(self) -> list[Entry]:
        return self.queue


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    place = tmp_path / "models" / "mine"
    place.mkdir(parents=True)
    manifest = {
        "name": "mine",
        "capability": "chat",
        "engine": "llama-cpp",
        "tasks": ["chat"],
        "aliases": ["my-alias"],
        "owned_by": "me",
        "licence": "MIT",
        "memory_bytes": 5,
        "files": {"model.gguf": {"sources": [{"local": "model.gguf"}], "size": 7}},
    }
    (place / "model.yaml").write_text(yaml.safe_dump(manifest))
    return FakeHost(Registry(tmp_path, []))


def test_every_state_has_a_name_in_the_contract() -> None:
    assert set(STATES) == set(State)
    assert len(set(STATES.values())) == len(STATES)


async def test_a_model_is_loaded_by_its_alias_shown_and_unloaded(host: FakeHost) -> None:
    servicer = ModelServicer(host)
    asked = models_pb2.LoadModelRequest(id="my-alias", pinned=True)
    loaded = (await servicer.LoadModel(asked, None)).model
    assert (loaded.id, loaded.state) == ("mine", models_pb2.MODEL_STATE_LOADED)
    assert (loaded.device, loaded.gpu_layers, loaded.resident_bytes) == ("cuda:0", -1, 5)
    assert (loaded.loaded_at, loaded.expires_at, loaded.pinned) == (9, 20, True)
    unloaded = (await servicer.UnloadModel(models_pb2.UnloadModelRequest(id="mine"), None)).model
    assert unloaded.state == models_pb2.MODEL_STATE_UNLOADED
    assert (unloaded.device, unloaded.loaded_at, unloaded.expires_at) == ("", 0, 0)


async def test_a_model_that_is_not_there_cannot_be_loaded(host: FakeHost) -> None:
    with pytest.raises(ModelNotFound):
        await ModelServicer(host).LoadModel(models_pb2.LoadModelRequest(id="other"), None)


async def test_the_queue_is_shown_and_what_nobody_can_tell_left_out(host: FakeHost) -> None:
    ticket = Ticket("mine", 2, "key_1", request_id="req_1")
    host.queue = [
        Entry(ticket, running=True, seconds=1.5, position=0, estimated_wait=0),
        Entry(ticket, running=False, seconds=3, position=4, estimated_wait=math.inf),
    ]
    answer = await QueueServicer(host).ListQueue(queue_pb2.ListQueueRequest(), None)
    running, waiting = answer.entries
    assert (running.request_id, running.key_id, running.model) == ("req_1", "key_1", "mine")
    assert (running.running, running.seconds, running.priority) == (True, 1.5, 2)
    assert running.estimated_wait == 0
    assert (waiting.running, waiting.position) == (False, 4)
    assert not waiting.HasField("estimated_wait")
