"""Who loads a model of a real Triton server, and who lets it go."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from services.runtime.errors import Cancelled, DeadlineExceeded, ModelLoadFailed
from services.runtime.manifest import Manifest
from services.runtime.residency import Placement
from services.runtime.settings import TritonSettings
from services.runtime.triton.interface import Interface, Tensors
from services.runtime.triton.server import Call, TritonServer
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, X, Y, write_toys

ECHO = INTERFACES["echo"]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    folder = tmp_path_factory.mktemp("users")
    process = Triton(folder, {}, write_toys(folder))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def server(triton: Triton) -> Iterator[TritonServer]:
    server = TritonServer(triton.url, timeout=20)
    yield server
    server.close()


def loaded(triton: Triton) -> set[str]:
    with InferenceServerClient(triton.url) as client:
        index = client.get_model_repository_index()
        return {each.name for each in index.models if each.state == "READY"}


def x(number: float) -> Tensors:
    return {"X": np.array([number], np.float32)}


def test_a_model_stays_until_the_last_of_its_users_lets_it_go(
    triton: Triton, server: TritonServer
) -> None:
    server.load("echo", ECHO, timeout=30)
    server.load("echo", ECHO, timeout=30)
    server.unload("echo")
    assert loaded(triton) == {"echo"}
    assert server.infer("echo", x(7), Call())["Y"] == [7]
    server.unload("echo")
    assert loaded(triton) == set()


def test_a_model_that_another_service_let_go_comes_back(
    triton: Triton, server: TritonServer
) -> None:
    other = TritonServer(triton.url, timeout=20)
    for each in (server, other):
        each.load("echo", ECHO, timeout=30)
    other.unload("echo")
    other.close()
    assert loaded(triton) == set()
    assert server.infer("echo", x(7), Call())["Y"] == [7]
    server.unload("echo")


def test_a_model_that_is_another_is_not_left_there(triton: Triton, server: TritonServer) -> None:
    with pytest.raises(ModelLoadFailed, match="no output X"):
        server.load("echo", Interface((X,), (X,)), timeout=30)
    assert loaded(triton) == set()


def test_a_model_that_is_another_is_left_to_those_who_mean_it(
    triton: Triton, server: TritonServer
) -> None:
    server.load("echo", ECHO, timeout=30)
    with pytest.raises(ModelLoadFailed, match="no output X"):
        server.load("echo", Interface((X,), (X,)), timeout=30)
    assert loaded(triton) == {"echo"}
    server.unload("echo")
    assert loaded(triton) == set()


def test_a_model_of_which_nothing_can_be_made_is_not_left_there(
    triton: Triton, tmp_path: Path
) -> None:
    def refuse(manifest: Manifest, server: TritonServer) -> RemoteModel:
        raise ValueError("options.window_seconds must be a number")

    engine = TritonEngine(TritonSettings(triton_url=triton.url), lambda _: ECHO, refuse)
    manifest = Manifest(
        name="toy",
        capability="melody",
        engine="triton",
        tasks=["music"],
        owned_by="us",
        licence="MIT",
        memory_bytes=1,
        options={"triton_model": "echo"},
        files={},
    )
    with pytest.raises(ValueError, match="window_seconds"):
        engine.load(manifest, tmp_path, Placement((("triton", 1),)))
    assert loaded(triton) == set()


def test_a_load_that_was_given_up_leaves_no_model_behind(tmp_path: Path) -> None:
    models = write_toys(tmp_path)
    path = models / "sleeping" / "1" / "model.py"
    # It loads until it may go on.
    wait = 'while not self.notes.with_name("go").exists(): time.sleep(0.01)'
    path.write_text(path.read_text().replace("time.sleep(3600)", wait))
    process = Triton(tmp_path, {}, models)
    process.start()
    server = TritonServer(process.url, timeout=20)
    with pytest.raises(ModelLoadFailed, match="in time"):
        server.load("sleeping", ECHO, timeout=1)
    # It is loaded all the same; what counts is that it goes.
    states = _states(process, "sleeping")
    assert next(states) == "LOADING"
    (tmp_path / "go").touch()
    assert "UNAVAILABLE" in itertools.islice(states, 600)
    server.close()
    process.kill()


def _states(triton: Triton, name: str) -> Iterator[str]:
    with InferenceServerClient(triton.url) as client:
        while True:
            index = client.get_model_repository_index()
            yield from (each.state for each in index.models if each.name == name)
            time.sleep(0.1)


def test_a_deadline_holds_while_a_model_is_loaded_anew(tmp_path: Path) -> None:
    models = write_toys(tmp_path)
    process = Triton(tmp_path, {}, models)
    process.start()
    server = TritonServer(process.url, timeout=20)
    server.load("echo", ECHO, timeout=30)
    with InferenceServerClient(process.url) as client:
        client.unload_model("echo")
    sleeping = (models / "sleeping" / "1" / "model.py").read_text()
    (models / "echo" / "1" / "model.py").write_text(sleeping)
    # Without one the load's own bound holds, and it is the load that fails.
    with pytest.raises(DeadlineExceeded):
        server.infer("echo", x(1), Call(timeout=1))
    process.kill()
    server.close()


def test_who_waits_for_a_server_is_told_that_the_connection_has_ended(tmp_path: Path) -> None:
    server = TritonServer(f"unix:{tmp_path / 'nobody.sock'}:1", timeout=5, patience=60)
    ended: list[BaseException] = []
    begun = threading.Event()

    def load() -> None:
        begun.set()
        try:
            server.load("echo", Interface((X,), (Y,)), timeout=5)
        except Cancelled as error:
            ended.append(error)

    waiting = threading.Thread(target=load, daemon=True)
    waiting.start()
    begun.wait()
    while not server._locks:  # It is in the loop, where nothing else could be seen of it.
        pass
    server.close()
    waiting.join(10)
    assert len(ended) == 1
