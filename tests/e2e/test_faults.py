"""What dies comes back, and takes nothing else with it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests import recordings
from tests.e2e.conftest import Product

CLIP = recordings.wav(recordings.tone(1))


def chat(http: httpx.Client) -> httpx.Response:
    message = {"role": "user", "content": "Count from one to a hundred."}
    body = {"model": "smollm2-135m-instruct", "messages": [message], "max_tokens": 20}
    return http.post("/v1/chat/completions", json=body)


def lyrics(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/lyrics", json={"sections": ["verse"], "lines": 2})


def speech(http: httpx.Client) -> httpx.Response:
    body = {"model": "tts-1", "voice": "joe", "input": "One. Two. Three.", "response_format": "wav"}
    return http.post("/v1/audio/speech", json=body)


def emotion(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/audio/classifications", files={"file": ("a.wav", CLIP)})


CALLS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "chat": chat,
    "lyrics": lyrics,
    "speech": speech,
    "emotion": emotion,
}


class Traffic:
    """One client per capability, asking again and again."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._stop = threading.Event()
        self.answers: dict[str, list[tuple[float, int, Any]]] = {name: [] for name in CALLS}
        self._threads = [threading.Thread(target=self._ask, args=(name,)) for name in CALLS]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _ask(self, name: str) -> None:
        with self._product.http() as http:
            while not self._stop.is_set():
                try:
                    answer = CALLS[name](http)
                except httpx.RemoteProtocolError:
                    # A file already being sent can only be broken off.
                    self.answers[name].append((time.monotonic(), 0, None))
                    continue
                body = answer.json() if answer.status_code >= 400 else None
                self.answers[name].append((time.monotonic(), answer.status_code, body))
                if answer.status_code >= 400:
                    self._stop.wait(0.1)

    def since(self, moment: float, name: str) -> list[int]:
        return [status for at, status, _ in self.answers[name] if at > moment]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("victim", ["chat", "lyrics", "speech", "emotion"])
def test_a_service_killed_under_traffic_loses_nothing_but_a_file_half_sent(
    product: Product, victim: str
) -> None:
    with Traffic(product) as traffic:
        assert until(lambda: all(traffic.answers[name] for name in CALLS), 120)
        process = product.service(victim)
        process.kill()
        done = len(traffic.answers[victim])
        # One may have been half sent; the next ones are answered by the service's successor.
        assert until(lambda: len(traffic.answers[victim]) > done + 1, 120), "it did not come back"
    for name in CALLS:
        statuses = set(traffic.since(0, name))
        half_sent = {0} if name == victim == "speech" else set()
        refused = [body for _, _, body in traffic.answers[name] if body]
        assert statuses <= {200} | half_sent, (name, refused)
    assert product.service(victim).pid != process.pid


def test_a_request_that_comes_while_its_service_is_down_is_answered_once_it_is_back(
    product: Product,
) -> None:
    with product.http() as http:
        product.service("emotion").kill()
        assert until(lambda: http.get("/readyz").status_code == 503, 20)
        assert http.get("/healthz").status_code == 200
        assert emotion(http).status_code == 200
    product.wait_ready()


def test_a_client_who_leaves_frees_the_model(product: Product) -> None:
    message = {"role": "user", "content": "Write a very long story."}
    body = {"model": "smollm2-135m-instruct", "messages": [message], "max_tokens": 4000}
    with product.http() as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json=body, timeout=1.0)
        # The story alone would take a minute; the one slot must be free at once.
        began = time.monotonic()
        assert chat(http).status_code == 200
        assert time.monotonic() - began < 10
