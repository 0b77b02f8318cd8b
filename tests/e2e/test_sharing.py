"""Two services, memory for one model: who waits for what, and what dies without harm."""

import threading
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest

from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc
from tests.e2e.conftest import Product, running

#: More than any of the default models of chat and speech takes, less than any two.
BUDGET = 570_000_000


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Chat and speech, with memory for one model; the gateway is as patient as in `product`.

    Each works on one request at a time, and whoever finds its model in memory goes first for no
    longer than a second.
    """
    options = ("--capabilities", "chat,speech", "--memory", "570MB")
    told = {
        f"ORFEON_{name}_{field}": "1"
        for name in ("CHAT", "SPEECH")
        for field in ("MAX_WAIT_NORMAL", "SLOTS")
    }
    told["ORFEON_GATEWAY_RETRY_SECONDS"] = "60"
    with running(tmp_path_factory.mktemp("cramped"), *options, **told) as product:
        yield product


def chat(http: httpx.Client, level: int, tokens: int = 24) -> httpx.Response:
    message = {"role": "user", "content": "Write about the sea."}
    body = {"model": "smollm2-135m-instruct", "messages": [message], "max_tokens": tokens}
    return http.post("/v1/chat/completions", json=body, headers={"x-request-priority": str(level)})


def speak(http: httpx.Client, level: int) -> httpx.Response:
    body = {"model": "tts-1", "voice": "joe", "input": "Good day.", "response_format": "pcm"}
    return http.post("/v1/audio/speech", json=body, headers={"x-request-priority": str(level)})


def resident(http: httpx.Client) -> int:
    """Bytes of all models in memory or on their way, as the gateway tells."""
    models = http.get("/v1/models").json()["data"]
    return sum(model["capabilities"]["resident_bytes"] for model in models)


def leased(arbiter: str) -> int:
    """Bytes of all leases at one moment, as the arbiter at an address tells."""
    with grpc.insecure_channel(arbiter) as channel:
        stub = arbiter_pb2_grpc.ArbiterServiceStub(channel)
        told = stub.Show(arbiter_pb2.ShowRequest(), wait_for_ready=True, timeout=60)
    return sum(part.bytes for held in told.leases for part in held.lease.placement.parts)


class Crowd:
    """Threads that ask for one thing again and again, and when each was answered."""

    def __init__(self, product: Product, level: int, clients: int) -> None:
        self._product = product
        self._level = level
        self._stop = threading.Event()
        self.ended: list[tuple[str, float, int]] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(name,))
            for name in ("chat", "speak")
            for _ in range(clients)
        ]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a request was never answered"

    def _ask(self, name: str) -> None:
        with self._product.http() as http:
            while not self._stop.is_set():
                call = chat(http, self._level, 4) if name == "chat" else speak(http, self._level)
                self.ended.append((name, time.monotonic(), call.status_code))

    def answered_after(self, moment: float) -> set[str]:
        return {name for name, at, _ in list(self.ended) if at > moment}


def test_both_services_work_and_memory_holds_one_model_at_a_time(cramped: Product) -> None:
    with cramped.http() as http:
        for _ in range(2):
            assert chat(http, 1).status_code == 200
            assert 0 < resident(http) <= BUDGET
            assert speak(http, 1).status_code == 200
            assert 0 < resident(http) <= BUDGET


def test_an_urgent_request_for_the_cold_model_waits_for_one_item_and_one_change(
    cramped: Product,
) -> None:
    # The one in hand; a second may have been taken while the urgent one was on its way. A busy
    # machine may keep that back for longer, but not each time.
    waited_for: list[int] = []
    while not waited_for or min(waited_for) > 2:
        assert len(waited_for) < 3, waited_for
        waited_for.append(answered_before_an_urgent_one(cramped))


def answered_before_an_urgent_one(cramped: Product) -> int:
    """How many of a queue for one model are answered before a level-0 request for the other."""
    with cramped.http() as http:
        assert chat(http, 1).status_code == 200  # Chat's model is in memory now.
        ended: list[float] = []

        def ask() -> None:
            with cramped.http() as mine:
                if chat(mine, 1).status_code == 200:
                    ended.append(time.monotonic())

        queue = [threading.Thread(target=ask) for _ in range(8)]
        for thread in queue:
            thread.start()
        end = time.monotonic() + 120
        while len(ended) < 2:  # The queue is being worked on.
            assert time.monotonic() < end
            time.sleep(0.01)
        sent = time.monotonic()
        assert speak(http, 0).status_code == 200
        answered = time.monotonic()
        for thread in queue:
            thread.join(120)
    assert len(ended) == 8
    return sum(sent < at < answered for at in ended)


@pytest.mark.parametrize("victim", ["arbiter", "chat"])
def test_a_kill_under_load_loses_nothing_and_the_budget_holds(
    cramped: Product, victim: str
) -> None:
    watched: list[int] = []
    arbiter = cramped.service("chat").environ()["ORFEON_ARBITER"]
    with Crowd(cramped, 1, clients=2) as crowd:
        began = time.monotonic()
        while crowd.answered_after(began) != {"chat", "speak"}:
            time.sleep(0.05)
        cramped.service(victim).kill()
        killed = time.monotonic()
        # Both are served again: memory changes hands as before.
        while crowd.answered_after(killed + 0.5) != {"chat", "speak"}:
            watched.append(leased(arbiter))
            assert time.monotonic() - killed < 120, "it did not recover"
            time.sleep(0.1)
        cramped.wait_ready()
        # And once more, so that nothing was left over from before the kill.
        recovered = time.monotonic()
        while crowd.answered_after(recovered) != {"chat", "speak"}:
            watched.append(leased(arbiter))
            assert time.monotonic() - recovered < 120, "it stopped again"
            time.sleep(0.1)
    assert {status for _, _, status in crowd.ended} == {200}
    assert 0 < max(watched) <= BUDGET
