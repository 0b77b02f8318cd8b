"""What goes wrong at a real Triton server: models that fail, hang or die, and its own death."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.runtime.errors import (
    DeadlineExceeded,
    Internal,
    ModelLoadFailed,
    OrfeonError,
    OutOfMemory,
    ServiceUnavailable,
)
from services.runtime.triton.interface import Interface, Tensors
from services.runtime.triton.server import TRIES, Call, TritonServer
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, X, Y, write_toys


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Triton, Path]]:
    folder = tmp_path_factory.mktemp("faults")
    process = Triton(folder, {}, write_toys(folder))
    process.start()
    yield process, folder
    process.discard()


@pytest.fixture
def server(toys: tuple[Triton, Path]) -> Iterator[TritonServer]:
    server = TritonServer(toys[0].url, timeout=30)
    for name in ("echo", "faulty", "count"):
        server.load(name, INTERFACES[name], timeout=30)
    yield server
    server.close()


def x(*numbers: float) -> Tensors:
    return {"X": np.array(numbers, np.float32)}


def notes(toys: tuple[Triton, Path], name: str) -> list[str]:
    path = toys[1] / f"{name}.txt"
    return path.read_text().split() if path.exists() else []


def test_a_model_that_raises_tells_no_more_than_that(server: TritonServer) -> None:
    with pytest.raises(Internal) as raised:
        server.infer("faulty", x(1), Call())
    assert "secret" not in raised.value.message


def test_who_shares_a_batch_with_one_that_fails_is_answered(server: TritonServer) -> None:
    def ask(way: int) -> bool:
        with contextlib.suppress(Internal):
            return bool(server.infer("faulty", x(way), Call())["Y"][0] == way)
        return False

    ways = [0, 1, 0, 0, 1, 0, 0, 0]
    with ThreadPoolExecutor(len(ways)) as pool:
        assert list(pool.map(ask, ways)) == [way == 0 for way in ways]


def test_a_model_without_memory_says_so_and_goes_on(server: TritonServer) -> None:
    with pytest.raises(OutOfMemory, match="not enough memory"):
        server.infer("faulty", x(2), Call())
    assert server.infer("faulty", x(0), Call())["Y"] == [0]


def test_a_request_on_which_the_model_dies_once_is_asked_again(
    toys: tuple[Triton, Path], server: TritonServer
) -> None:
    (toys[1] / "faulty.txt").unlink(missing_ok=True)
    assert server.infer("faulty", x(4), Call())["Y"] == [4]
    assert notes(toys, "faulty") == ["killed"]


def test_a_request_that_kills_each_model_is_given_up(
    toys: tuple[Triton, Path], server: TritonServer
) -> None:
    (toys[1] / "faulty.txt").unlink(missing_ok=True)
    with pytest.raises(ServiceUnavailable):
        server.infer("faulty", x(3), Call())
    assert notes(toys, "faulty") == ["killed"] * TRIES
    assert server.infer("faulty", x(0), Call())["Y"] == [0]


def test_a_stream_whose_model_dies_ends_with_what_there_was(server: TritonServer) -> None:
    stream = server.stream("count", x(13, 0.01, 1), Call(timeout=20))
    came: list[int] = []
    with pytest.raises(ServiceUnavailable):
        came.extend(int(answer["Y"][0]) for answer in stream)
    assert list(server.stream("count", x(1, 0, 1), Call(timeout=20)))


def test_a_model_that_hangs_holds_up_nobody_elses(server: TritonServer) -> None:
    with pytest.raises(DeadlineExceeded):
        server.infer("faulty", x(5), Call(timeout=0.5))
    with pytest.raises(DeadlineExceeded):  # Its only instance still hangs.
        server.infer("faulty", x(0), Call(timeout=0.5))
    assert server.infer("echo", x(7), Call())["Y"] == [7]


@pytest.mark.parametrize(
    ("name", "cls", "said"),
    [
        ("raising", ModelLoadFailed, "cannot load 'raising'"),
        ("refusing", OutOfMemory, "No room."),
        ("starving", OutOfMemory, "not enough memory"),
        ("dying", ModelLoadFailed, "cannot load 'dying'"),
    ],
)
def test_a_model_that_cannot_begin_says_why(
    server: TritonServer, name: str, cls: type[OrfeonError], said: str
) -> None:
    with pytest.raises(cls, match=said) as raised:
        server.load(name, INTERFACES[name], timeout=30)
    assert "secret" not in raised.value.message


def test_a_load_that_does_not_end_is_given_up(server: TritonServer) -> None:
    with pytest.raises(ModelLoadFailed, match="sleeping"):
        server.load("sleeping", INTERFACES["sleeping"], timeout=1)
    assert server.infer("echo", x(7), Call())["Y"] == [7]


def test_a_model_that_is_not_there_is_named(server: TritonServer) -> None:
    with pytest.raises(ModelLoadFailed, match="no model 'nobody' in its repository"):
        server.load("nobody", INTERFACES["echo"], timeout=30)


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        (Interface((X, Y), (Y,)), "no input Y"),
        (Interface((X,), (X,)), "no output X"),
        (Interface((X,), (Y,), decoupled=True), "should be decoupled"),
    ],
)
def test_a_model_that_is_another_is_refused(
    server: TritonServer, interface: Interface, said: str
) -> None:
    with pytest.raises(ModelLoadFailed, match=said):
        server.load("echo", interface, timeout=30)


BROKEN = {
    "a backend that nobody has": ('backend: "python"', 'backend: "fortran"'),
    "an input without a type": ("data_type: TYPE_FP32 ", ""),
    "no configuration at all": ("name", "nome"),
    "a queue without a number": ("max_queue_size: 64", "max_queue_size: many"),
    "priorities without a default": ("default_priority_level: 2", "default_priority_level: 9"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_configuration_that_triton_rejects_is_no_model(
    toys: tuple[Triton, Path], server: TritonServer, how: str
) -> None:
    _break(toys[1] / "models", "broken", how)
    with pytest.raises(ModelLoadFailed, match="broken"):
        server.load("broken", INTERFACES["echo"], timeout=30)
    assert server.infer("echo", x(7), Call())["Y"] == [7]


def test_a_server_told_to_load_it_at_its_start_does_not_start(tmp_path: Path) -> None:
    models = write_toys(tmp_path)
    _break(models, "echo", "an input without a type")
    server = Triton(tmp_path, {}, models)
    server.planned.prepare()
    ended = subprocess.run(
        [*server.planned.command, "--load-model=echo"],
        env=dict(server.planned.environment),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert b"echo" in ended.stderr


def _break(models: Path, name: str, how: str) -> None:
    folder = models / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.py").write_text((models / "slow" / "1" / "model.py").read_text())
    config = (models / "slow" / "config.pbtxt").read_text().replace('"slow"', f'"{name}"')
    old, new = BROKEN[how]
    assert old in config
    (folder / "config.pbtxt").write_text(config.replace(old, new))


def test_requests_outlive_the_death_of_the_server(tmp_path: Path) -> None:
    process = Triton(tmp_path, {}, write_toys(tmp_path))
    process.start()
    server = TritonServer(process.url, timeout=60, patience=30, shared_memory=True)
    server.load("echo", INTERFACES["echo"], timeout=30)
    server.load("slow", INTERFACES["slow"], timeout=30)
    ended = threading.Event()
    answers: list[float] = []

    def ask(start: int) -> int:
        for number in range(start, start + 100_000):
            if ended.is_set():
                return number - start
            size = 1 << 19 if number % 5 == 0 else 1
            answer = server.infer("echo", {"X": np.full(size, number, np.float32)}, Call())
            assert answer["Y"][0] == number
            answers.append(number)
        raise AssertionError("too many")

    with ThreadPoolExecutor(9) as pool:
        asking = [pool.submit(ask, 1_000_000 * at) for at in range(8)]
        for _ in range(2):
            before = len(answers)
            _until(lambda: len(answers) > before + 50)  # noqa: B023
            process.kill()
            waiting = pool.submit(server.infer, "slow", x(0.01), Call())
            process.start()
            assert waiting.result(60)["Y"] == pytest.approx([0.01])
        before = len(answers)
        _until(lambda: len(answers) > before + 50)
        ended.set()
        asked = sum(each.result(60) for each in asking)
    # All were answered, and none twice.
    assert asked == len(answers) == len(set(answers))
    server.close()
    process.stop()
    assert not list(Path("/dev/shm").glob(_region(process) + "*"))
    assert not list(Path("/dev/shm").glob(f"orfeon-{os.getpid()}-*"))


def _region(process: Triton) -> str:
    [option] = [each for each in process.planned.command if "shm-region-prefix-name" in each]
    return option.rpartition("=")[2]


def test_a_stream_of_which_something_came_is_not_begun_again(tmp_path: Path) -> None:
    process = Triton(tmp_path, {}, write_toys(tmp_path))
    process.start()
    server = TritonServer(process.url, timeout=60, patience=20)
    server.load("count", INTERFACES["count"], timeout=30)
    stream = server.stream("count", x(1e6, 0.01, 1), Call())
    came = [int(next(stream)["Y"][0]) for _ in range(5)]
    process.kill()
    with pytest.raises(ServiceUnavailable):
        came.extend(int(answer["Y"][0]) for answer in stream)
    assert came == list(range(len(came)))
    server.close()
    process.discard()


def test_a_server_that_stays_away_is_waited_for_only_so_long(tmp_path: Path) -> None:
    process = Triton(tmp_path, {}, write_toys(tmp_path))
    process.start()
    server = TritonServer(process.url, timeout=60, patience=1)
    server.load("slow", INTERFACES["slow"], timeout=30)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(server.infer, "slow", x(30), Call()) for _ in range(4)]
        _until(lambda: (tmp_path / "slow.txt").exists())
        process.kill()
        for each in asking:
            assert isinstance(each.exception(60), ServiceUnavailable)
    with pytest.raises(ServiceUnavailable):
        server.load("echo", INTERFACES["echo"], timeout=30)
    # Its time is over at the same moment as the patience with the server.
    with pytest.raises((ServiceUnavailable, DeadlineExceeded)):
        server.infer("slow", x(0), Call(timeout=0.5))
    server.unload("slow")  # Of a server that has gone nothing is left to unload.
    server.close()
    process.discard()


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
