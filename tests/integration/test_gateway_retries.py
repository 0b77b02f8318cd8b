"""A service killed while requests wait in it: what was accepted is answered by the next one."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.runtime.errors import ServiceUnavailable
from tests.fakes.gateway import eventually, running, settings_for
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

QUESTION = {"messages": [{"role": "user", "content": "Why?"}]}
#: Larger than what is kept in memory, so that it is read again from disk.
UPLOAD: dict[str, Any] = {"files": {"file": ("a.wav", b"RIFF" + bytes(1_500_000))}}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"json": QUESTION}),
    "chat-stream": ("/v1/chat/completions", {"json": {**QUESTION, "stream": True}}),
    "speech": ("/v1/audio/speech", {"json": {"input": "Hello."}}),
    "transcription": ("/v1/audio/transcriptions", UPLOAD),
    "transcription-stream": ("/v1/audio/transcriptions", {**UPLOAD, "data": {"stream": "true"}}),
    "translation": ("/v1/audio/translations", UPLOAD),
    "classification": ("/v1/audio/classifications", UPLOAD),
}


@dataclass
class Fall:
    """A gateway before a service, in a process of its own, that holds every request."""

    client: httpx.AsyncClient
    address: str
    process: asyncio.subprocess.Process

    async def working(self, requests: int) -> None:
        """Waits until so many requests are at the gateway, and so, soon after, at the service."""

        async def there() -> bool:
            page = (await self.client.get("/metrics")).text
            # The one that asks is one of them.
            return f"orfeon_http_requests_in_progress {requests + 1}.0" in page

        await eventually(there)
        await asyncio.sleep(0.3)

    async def kill(self) -> None:
        """Ends the service as `kill -9` does."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def falling(home: Path, **settings: Any) -> AsyncIterator[Fall]:
    address = f"unix:{home}/services.sock"
    # Before its first piece a stream can begin again: this service gets no further.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.upstreams", address, "mute"
    )
    try:
        async with (
            running(settings_for(home, address, **settings), None) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await eventually(ready, seconds=60)
            yield Fall(client, address, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_request_outlives_the_service_that_worked_on_it(kind: str, tmp_path: Path) -> None:
    route, options = REQUESTS[kind]
    script = Script()
    async with falling(tmp_path) as fall:
        asked = asyncio.create_task(fall.client.post(route, **options))
        await fall.working(1)
        await fall.kill()
        async with serving(fall.address, script):
            answer = await asked
        page = (await fall.client.get("/metrics")).text
    assert answer.status_code == 200, answer.text
    assert "error" not in answer.text
    if "files" in options:
        assert b"".join(script.audio) == UPLOAD["files"]["file"][1]
    assert 'orfeon_gateway_retries_total{capability="' in page
    assert 'outcome="answered"} 1.0' in page


async def test_none_of_many_requests_is_lost(tmp_path: Path) -> None:
    async with falling(tmp_path) as fall:
        route, options = REQUESTS["chat"]
        asked = [asyncio.create_task(fall.client.post(route, **options)) for _ in range(30)]
        await fall.working(30)
        await fall.kill()
        async with serving(fall.address, Script()):
            answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}


async def test_a_service_that_is_up_but_not_ready_is_waited_for(tmp_path: Path) -> None:
    async with falling(tmp_path) as fall:
        route, options = REQUESTS["chat"]
        asked = asyncio.create_task(fall.client.post(route, **options))
        await fall.working(1)
        await fall.kill()
        async with serving(fall.address, Script(), ready=False):
            await asyncio.wait([asked], timeout=1.5)
            assert not asked.done()
        async with serving(fall.address, Script()):
            assert (await asked).status_code == 200


async def test_a_service_that_does_not_come_back_is_unavailable(tmp_path: Path) -> None:
    async with falling(tmp_path, retry_seconds=1) as fall:
        route, options = REQUESTS["chat"]
        asked = asyncio.create_task(fall.client.post(route, **options))
        await fall.working(1)
        await fall.kill()
        answer = await asked
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["code"] == "service_unavailable"
        page = (await fall.client.get("/metrics")).text
        assert 'retries_total{capability="chat",outcome="abandoned"} 1.0' in page
        await asyncio.sleep(0.5)
        # By now it has been down for longer than anybody waits.
        again = await fall.client.post(route, **options)
        assert again.status_code == 503
        page = (await fall.client.get("/metrics")).text
        assert 'retries_total{capability="chat",outcome="abandoned"} 1.0' in page


async def test_a_service_that_is_draining_is_asked_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    draining = Script(error=ServiceUnavailable("The service is shutting down.", retry_after=1))
    route, options = REQUESTS["chat"]
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(serving(address, draining))
        url = await stack.enter_async_context(running(settings_for(tmp_path, address), None))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready)
        # The gateway looks at its connections now and then; it has to have known this one.
        await asyncio.sleep(0.5)
        asked = asyncio.create_task(client.post(route, **options))
        await asyncio.wait_for(draining.started.wait(), 20)
        await stop()
        async with serving(address, Script()):
            assert (await asked).status_code == 200


async def test_requests_that_come_as_a_service_stops_are_asked_again(tmp_path: Path) -> None:
    # A server that stops cancels what still comes: to whoever asked that must not look like a
    # request that was given up.
    address = f"unix:{tmp_path}/services.sock"
    answered = [0] * 8

    async def ask(client: httpx.AsyncClient, who: int) -> None:
        route, options = REQUESTS["chat"]
        while True:
            answer = await client.post(route, **options)
            assert answer.status_code == 200, answer.text
            answered[who] += 1

    async with (
        running(settings_for(tmp_path, address), None) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
        asyncio.TaskGroup() as group,
    ):
        asking: list[asyncio.Task[None]] = []
        before = [*answered]

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async def all_were_answered() -> bool:
            return all(map(int.__gt__, answered, before))

        for _ in range(10):
            async with serving(address, Script()):
                await eventually(ready)
                asking = asking or [group.create_task(ask(client, who)) for who in range(8)]
                before = [*answered]
                await eventually(all_were_answered)
        async with serving(address, Script()):
            for task in asking:
                task.cancel()
