"""Calls to a real Triton server: streams, cancellation, deadlines, what does not fit, many."""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from tritonclient.grpc import InferenceServerClient

from services.runtime.errors import Cancelled, DeadlineExceeded, InvalidRequest, OrfeonError
from services.runtime.triton.interface import Tensors
from services.runtime.triton.server import AHEAD, Call, TritonServer
from services.runtime.worker import Cancellation
from tests.fakes.ports import free_port
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, write_toys

SIXTEEN_MILLION = 16 << 20


@dataclass(frozen=True)
class Toys:
    """A running server, how a service calls it, and where its models leave notes."""

    process: Triton
    server: TritonServer
    plain: TritonServer
    folder: Path
    metrics: str

    def notes(self, name: str) -> list[str]:
        path = self.folder / f"{name}.txt"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def forget(self, name: str) -> None:
        (self.folder / f"{name}.txt").unlink(missing_ok=True)

    def until_noted(self, name: str, word: str, times: int = 1) -> None:
        until(lambda: sum(word in note for note in self.notes(name)) >= times)

    def pending(self) -> float:
        lines = httpx.get(self.metrics, trust_env=False).text.splitlines()
        waiting = [each for each in lines if each.startswith("nv_inference_pending_request_count{")]
        assert waiting
        return sum(float(each.split()[-1]) for each in waiting)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toys]:
    folder = tmp_path_factory.mktemp("toys")
    port = free_port()
    process = Triton(folder, {}, write_toys(folder), metrics_port=port)
    process.start()
    server = TritonServer(process.url, timeout=30, shared_memory=True)
    plain = TritonServer(process.url, timeout=30)
    for each, name in itertools.product((server, plain), ("echo", "slow", "count")):
        each.load(name, INTERFACES[name], timeout=30)
    yield Toys(process, server, plain, folder, f"http://127.0.0.1:{port}/metrics")
    server.close()
    plain.close()
    process.stop()


def x(*numbers: float) -> Tensors:
    return {"X": np.array(numbers, np.float32)}


def test_a_stream_of_many_answers_comes_whole_and_in_order(toys: Toys) -> None:
    answers = [answer["Y"][0] for answer in toys.server.stream("count", x(2000, 0, 1), Call())]
    assert answers == list(range(2000))


def test_answers_come_while_later_ones_are_made(toys: Toys) -> None:
    toys.forget("count")
    stream = toys.server.stream("count", x(100_000, 0.02, 1), Call())
    assert next(stream)["Y"] == [0]
    assert toys.notes("count") == []
    stream.close()
    toys.until_noted("count", "ended")


def test_a_client_that_stops_reading_holds_few_answers(toys: Toys) -> None:
    toys.forget("count")
    me = psutil.Process()
    stream = toys.server.stream("count", x(300, 0, 250_000), Call())  # 1 MB each
    next(stream)
    before = me.memory_info().rss
    toys.until_noted("count", "ended")  # The server has made them all, and waits to send.
    time.sleep(0.5)
    assert me.memory_info().rss - before < 3 * AHEAD << 20
    assert sum(1 for _ in stream) == 299


def test_a_refusal_after_answers_comes_after_them(toys: Toys) -> None:
    stream = toys.server.stream("count", x(14, 0, 1), Call())
    assert [answer["Y"][0] for answer in itertools.islice(stream, 13)] == list(range(13))
    with pytest.raises(InvalidRequest, match="Thirteen is no number"):
        next(stream)


def test_a_model_that_has_refused_can_be_unloaded(toys: Toys) -> None:
    with pytest.raises(InvalidRequest):
        list(toys.server.stream("count", x(14, 0, 1), Call()))
    toys.server.unload("count")  # Which waits for whatever the model has not let go.
    toys.server.load("count", INTERFACES["count"], timeout=30)


def test_a_stream_whose_reader_leaves_stops_on_the_server(toys: Toys) -> None:
    toys.forget("count")
    stream = toys.server.stream("count", x(100_000, 0.001, 1), Call())
    next(stream)
    stream.close()
    toys.until_noted("count", "ended")
    assert int(toys.notes("count")[-1].split()[1]) < 50_000


def test_a_cancelled_stream_stops_on_the_server(toys: Toys) -> None:
    toys.forget("count")
    cancelled = Cancellation()
    stream = toys.server.stream("count", x(100_000, 0.001, 1), Call(cancelled=cancelled))
    next(stream)
    cancelled.set()
    with pytest.raises(Cancelled):
        list(stream)
    toys.until_noted("count", "ended")


def test_a_thousand_cancelled_streams_leave_nothing_waiting_or_working(toys: Toys) -> None:
    toys.forget("count")

    def leave(number: int) -> None:
        cancelled = Cancellation()
        stream = toys.server.stream("count", x(1e6, 0.001, 1), Call(cancelled=cancelled))
        if number % 2:
            threading.Timer(0.001 * (number % 50), cancelled.set).start()
            with pytest.raises(Cancelled):
                list(stream)
        else:
            next(stream)
            stream.close()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(leave, range(1000)))
    until(lambda: toys.pending() == 0)
    # The model works for nobody: it answers at once, and nothing is still at work when it goes.
    assert sum(1 for _ in toys.server.stream("count", x(3, 0, 1), Call(timeout=10))) == 3
    toys.server.unload("count")
    toys.server.load("count", INTERFACES["count"], timeout=30)


def test_a_cancelled_request_stops_at_work_and_in_the_queue(toys: Toys) -> None:
    toys.forget("slow")
    first, second = Cancellation(), Cancellation()
    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(toys.server.infer, "slow", x(60), Call(cancelled=first))
        toys.until_noted("slow", "begun")
        waiting = pool.submit(toys.server.infer, "slow", x(60), Call(cancelled=second))
        until(lambda: toys.pending() == 1)
        second.set()
        with pytest.raises(Cancelled):
            waiting.result(20)
        first.set()
        with pytest.raises(Cancelled):
            working.result(20)
    toys.until_noted("slow", "cancelled")
    until(lambda: toys.pending() == 0)
    toys.server.infer("slow", x(0), Call(timeout=10))
    # The second has never begun.
    assert toys.notes("slow") == ["begun", "cancelled", "begun", "done"]


def test_a_request_that_is_cancelled_before_it_is_sent_is_not_sent(toys: Toys) -> None:
    toys.forget("slow")
    cancelled = Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        toys.server.infer("slow", x(60), Call(cancelled=cancelled))
    toys.server.infer("slow", x(0), Call(timeout=10))
    assert toys.notes("slow")[-1] == "done"


def test_the_order_of_the_levels_can_be_seen_in_the_statistics_of_triton(toys: Toys) -> None:
    toys.forget("slow")
    ended, left = Cancellation(), Cancellation()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(toys.server.infer, "slow", x(60), Call(2, cancelled=ended))
        toys.until_noted("slow", "begun")
        waiting = [
            pool.submit(toys.server.infer, "slow", x(60), Call(2, cancelled=left)) for _ in range(7)
        ]
        until(lambda: toys.pending() == 7)
        urgent = pool.submit(toys.server.infer, "slow", x(0.01), Call(0))
        until(lambda: toys.pending() == 8)
        ended.set()
        urgent.result(30)
        # It came last and went before all who waited: one is at work now at most.
        assert toys.pending() >= 6
        assert toys.notes("slow")[:4] == ["begun", "cancelled", "begun", "done"]
        left.set()
        for each in (first, *waiting):
            with pytest.raises(Cancelled):
                each.result(30)


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.001, 0.2])
def test_a_deadline_ends_the_wait_and_the_work(toys: Toys, seconds: float) -> None:
    with pytest.raises(DeadlineExceeded, match="allow more time"):
        toys.server.infer("slow", x(60), Call(timeout=seconds))
    with pytest.raises(DeadlineExceeded, match="allow more time"):
        list(toys.server.stream("count", x(1e6, 0.01, 1), Call(timeout=seconds)))
    toys.server.infer("slow", x(0), Call(timeout=10))
    assert list(toys.server.stream("count", x(1, 0, 1), Call(timeout=10)))


class GivenUp:
    """A call that gRPC's asyncio has cancelled by itself, its request unsent."""

    def __aiter__(self) -> "GivenUp":
        return self

    async def __anext__(self) -> None:
        raise asyncio.CancelledError

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_stream_that_grpc_gives_up_by_itself_is_late_or_begun_again(
    toys: Toys, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    begin, begun = toys.server._client.stream_infer, []

    def begin_second(*args: Any, **options: Any) -> Any:
        begun.append(options)
        return begin(*args, **options) if len(begun) > 1 else GivenUp()

    monkeypatch.setattr(toys.server._client, "stream_infer", begin_second)
    stream = toys.server.stream("count", x(2, 0, 1), Call(timeout=seconds))
    if seconds:
        assert [answer["Y"][0] for answer in stream] == [0, 1]
    else:
        with pytest.raises(DeadlineExceeded, match="allow more time"):
            list(stream)


def test_a_stream_without_a_deadline_may_be_long_but_not_silent(toys: Toys) -> None:
    hasty = TritonServer(toys.process.url, timeout=3)
    hasty.load("count", INTERFACES["count"], timeout=30)
    assert sum(1 for _ in hasty.stream("count", x(200, 0.02, 1), Call())) == 200
    with pytest.raises(DeadlineExceeded):
        list(hasty.stream("count", x(2, 5, 1), Call()))
    hasty.close()


def test_a_stream_without_a_deadline_waits_for_as_long_as_others_work(toys: Toys) -> None:
    hasty = TritonServer(toys.process.url, timeout=2.5)
    hasty.load("count", INTERFACES["count"], timeout=30)
    working = toys.server.stream("count", x(200, 0.02, 1), Call())
    next(working)
    # Which takes longer than it may take for an answer itself.
    assert sum(1 for _ in hasty.stream("count", x(3, 0, 1), Call())) == 3
    assert sum(1 for _ in working) == 199
    hasty.close()


@pytest.mark.parametrize(
    "tensors",
    [
        {"X": np.zeros(3, np.int32)},
        {"X": np.zeros((2, 3), np.float32)},
        {"X": np.array([b"a"], np.object_)},
        {"Z": np.zeros(3, np.float32)},
        {},
        {"X": np.zeros(3, np.float32), "Z": np.zeros(3, np.float32)},
    ],
    ids=["dtype", "shape", "text", "name", "nothing", "too much"],
)
@pytest.mark.parametrize("name", ["echo", "count"])
def test_what_a_model_does_not_take_is_refused(toys: Toys, name: str, tensors: Tensors) -> None:
    def ask() -> object:
        if name == "echo":
            return toys.server.infer(name, tensors, Call())
        return list(toys.server.stream(name, tensors, Call()))

    with pytest.raises(InvalidRequest, match="does not take"):
        ask()


def test_nothing_is_a_tensor_too(toys: Toys) -> None:
    assert toys.server.infer("echo", x(), Call())["Y"].shape == (0,)


@pytest.mark.parametrize("shared", [True, False])
def test_64_megabytes_go_and_come(toys: Toys, shared: bool) -> None:
    large = np.arange(SIXTEEN_MILLION, dtype=np.float32)
    server = toys.server if shared else toys.plain
    answer = server.infer("echo", {"X": large}, Call())
    assert np.array_equal(answer["Y"], large)
    assert lent() == []


def test_an_array_that_is_not_in_one_piece_is_told_as_it_is(toys: Toys) -> None:
    every_other = np.arange(2 << 20, dtype=np.float32)[::2]
    for server in (toys.server, toys.plain):
        assert np.array_equal(server.infer("echo", {"X": every_other}, Call())["Y"], every_other)


def test_memory_lent_to_requests_that_are_cancelled_goes_and_the_server_lives(toys: Toys) -> None:
    large = np.zeros(1 << 20, np.float32)

    def leave(_: int) -> None:
        cancelled = Cancellation()
        threading.Timer(0.05, cancelled.set).start()
        with pytest.raises(OrfeonError):
            toys.server.infer("slow", {"X": large + 60}, Call(cancelled=cancelled))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(leave, range(100)))
    assert toys.server.infer("echo", x(1), Call(timeout=10))["Y"] == [1]
    assert lent() == []
    with InferenceServerClient(toys.process.url) as client:
        until(lambda: not client.get_system_shared_memory_status().regions)


def test_memory_that_a_model_works_on_goes_when_it_has_let_go(toys: Toys) -> None:
    toys.forget("slow")
    cancelled = Cancellation()
    with ThreadPoolExecutor(1) as pool, InferenceServerClient(toys.process.url) as client:
        large = np.full(1 << 20, 60, np.float32)
        asked = pool.submit(toys.server.infer, "slow", {"X": large}, Call(cancelled=cancelled))
        toys.until_noted("slow", "begun")
        assert client.get_system_shared_memory_status().regions
        cancelled.set()
        with pytest.raises(Cancelled):
            asked.result(20)
        until(lambda: not client.get_system_shared_memory_status().regions)


def test_a_thousand_calls_leave_neither_files_nor_memory_behind(toys: Toys) -> None:
    me, it = psutil.Process(), psutil.Process(toys.process.process.pid)
    large = np.zeros(1 << 19, np.float32)

    def ask(number: int) -> None:
        tensors = {"X": large} if number % 10 == 0 else x(number)
        assert toys.server.infer("echo", tensors, Call())["Y"][0] == tensors["X"][0]
        if number % 4 == 0:
            assert sum(1 for _ in toys.server.stream("count", x(2, 0, 1), Call())) == 2

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(200)))
        before = [(each.num_fds(), each.memory_info().rss) for each in (me, it)]
        list(pool.map(ask, range(1000)))
        after = [(each.num_fds(), each.memory_info().rss) for each in (me, it)]
    for (files, memory), (files_then, memory_then) in zip(before, after, strict=True):
        assert files_then <= files + 4
        assert memory_then - memory < 40 << 20
    assert lent() == []


def lent() -> list[str]:
    """The memory that this process shares with servers."""
    return [path.name for path in Path("/dev/shm").glob(f"orfeon-{os.getpid()}-*")]
