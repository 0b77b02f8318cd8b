"""What the gateway does before and around every route: keys, limits, sizes, health."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from gateway import protocol
from gateway.keystore import KeyStore
from services.runtime.errors import Internal
from tests.fakes.gateway import Stage, eventually, running, settings_for, stage, staged
from tests.fakes.upstreams import Script, serving

__all__ = ["stage"]

QUESTION = [{"role": "user", "content": "Why?"}]
BODY = {"messages": QUESTION}
CHAT = "/v1/chat/completions"


def error_of(response: httpx.Response) -> dict[str, str | None]:
    assert set(response.json()) == {"error"}
    error: dict[str, str | None] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    assert response.headers["openai-processing-ms"]
    return error


async def test_no_key_and_wrong_keys_are_refused(stage: Stage) -> None:
    expired = stage.keys.create("old", expires=time.time() - 1)[1]
    revoked_key, revoked = stage.keys.create("gone")
    stage.keys.revoke(revoked_key.id)
    async with httpx.AsyncClient(base_url=stage.url) as client:
        for headers in (
            {},
            {"authorization": "Bearer sk-orf-wrong"},
            {"authorization": "Basic sk-orf-wrong"},
            {"authorization": "Bearer"},
            {"x-api-key": "wrong"},
            {"authorization": f"Bearer {expired}"},
            {"authorization": f"Bearer {revoked}"},
        ):
            response = await client.post(CHAT, json=BODY, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert error_of(response)["code"] == "invalid_api_key"
        good = await client.post(CHAT, json=BODY, headers={"x-api-key": stage.secret})
    assert good.status_code == 200


async def test_the_official_client_hears_of_a_bad_key_as_such(stage: Stage) -> None:
    stage.secret = "sk-orf-wrong"
    async with stage.client as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_key_revoked_by_another_process_stops_soon(stage: Stage, tmp_path: Path) -> None:
    elsewhere = KeyStore(settings_for(tmp_path).database_url)
    async with stage.http as client:
        assert (await client.get("/v1/models")).status_code == 200
        elsewhere.revoke(stage.keys.list()[0].id)

        async def refused() -> bool:
            return (await client.get("/v1/models")).status_code == 401

        await eventually(refused, seconds=2)
    elsewhere.close()


async def test_a_missing_scope_is_forbidden(stage: Stage) -> None:
    stage.secret = stage.keys.create("talker", scopes=["chat"])[1]
    async with stage.client as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await client.models.list()
    assert caught.value.code == "missing_scope"


async def test_a_key_runs_out_of_requests(stage: Stage) -> None:
    stage.secret = stage.keys.create("slow", requests_per_minute=2)[1]
    async with stage.http as client:
        first = await client.post(CHAT, json=BODY)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-reset-requests"].endswith("s")
        assert first.headers["x-ratelimit-limit-tokens"] == "1000000"
        await client.post(CHAT, json={"messages": "wrong ones count too"})
        third = await client.post(CHAT, json=BODY)
        assert third.status_code == 429
        assert error_of(third)["code"] == "rate_limit_exceeded"
        assert third.headers["x-ratelimit-remaining-requests"] == "0"
        assert 1 <= int(third.headers["retry-after"]) <= 60
        assert 0 < int(third.headers["retry-after-ms"]) <= 60_000
        assert (await client.get("/v1/models")).status_code == 200
    async with stage.client as official:
        with pytest.raises(openai.RateLimitError):
            await official.chat.completions.create(
                model="fake-chat", messages=[{"role": "user", "content": "Why?"}]
            )


@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_runs_out_of_tokens(stage: Stage, stream: bool) -> None:
    stage.secret = stage.keys.create("terse", tokens_per_minute=12)[1]
    async with stage.http as client:
        left = []
        for _ in range(3):
            response = await client.post(CHAT, json={**BODY, "stream": stream})
            left.append(response.headers["x-ratelimit-remaining-tokens"])
    assert left == ["12", "2", "0"]
    assert response.status_code == 429
    assert response.headers["x-ratelimit-reset-tokens"] != "0s"


async def test_without_required_keys_anybody_may_ask(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(tmp_path, address, require_keys=False)
    async with (
        serving(address, Script()),
        running(settings, None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(CHAT, json={**BODY, "priority": 0})
    assert response.status_code == 200
    assert response.headers["x-request-priority"] == "0"


async def test_a_body_over_the_limit_is_refused_at_once(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.post(CHAT, content=bytes(10 * 2**20), headers=JSON)
        assert response.status_code == 413
        assert error_of(response)["code"] == "content_too_large"

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(160):
                yield bytes(64 * 1024)

        chunked = await client.post(CHAT, content=pieces(), headers=JSON)
        assert chunked.status_code == 413
        assert error_of(chunked)["code"] == "content_too_large"
    assert stage.script.requests == []


async def test_a_declared_gigabyte_is_refused_before_it_is_sent(stage: Stage) -> None:
    parts = urlsplit(stage.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\n"
        b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 1073741824\r\n\r\n--b"
    )
    async with asyncio.timeout(2):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b" 413 " in head.splitlines()[0]
    writer.close()
    await writer.wait_closed()


async def test_an_upload_has_its_own_limit(tmp_path: Path) -> None:
    limits = {"max_json_bytes": 1_000, "max_upload_bytes": 300_000}
    async with staged(tmp_path, **limits) as stage, stage.http as client:
        for size, status in ((200_000, 200), (400_000, 413)):
            response = await client.post(
                "/v1/audio/transcriptions", files={"file": ("a.wav", bytes(size))}
            )
            assert response.status_code == status


JSON = {"content-type": "application/json"}


async def test_routes_methods_and_media_types_fail_in_the_envelope(stage: Stage) -> None:
    async with stage.http as client:
        missing = await client.get("/v1/nothing")
        assert (missing.status_code, error_of(missing)["code"]) == (404, "not_found")
        slash = await client.get("/healthz/")
        assert (slash.status_code, error_of(slash)["code"]) == (404, "not_found")
        method = await client.get(CHAT)
        assert (method.status_code, error_of(method)["code"]) == (405, "method_not_allowed")
        assert method.headers["allow"] == "POST"
        for route, media_type in (
            (CHAT, "text/plain"),
            (CHAT, "multipart/form-data; boundary=x"),
            ("/v1/audio/transcriptions", "application/json"),
            ("/v1/audio/classifications", "application/x-www-form-urlencoded"),
        ):
            response = await client.post(route, content=b"{}", headers={"content-type": media_type})
            assert response.status_code == 415
            assert error_of(response)["code"] == "unsupported_media_type"
        no_boundary = await client.post(
            "/v1/audio/transcriptions",
            content=b"x",
            headers={"content-type": "multipart/form-data"},
        )
        assert no_boundary.status_code == 400
        assert error_of(no_boundary)["type"] == "invalid_request_error"


async def test_what_is_no_http_is_refused_in_the_envelope(stage: Stage) -> None:
    parts = urlsplit(stage.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"HELLO\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["error"]["type"] == "invalid_request_error"
    writer.close()
    await writer.wait_closed()


async def test_insane_request_ids_are_replaced(stage: Stage) -> None:
    async with stage.http as client:
        for given in (b"x" * 200, b"a b", "é".encode()):
            response = await client.get("/healthz", headers=[(b"x-request-id", given)])
            assert response.headers["x-request-id"].startswith("req_")


async def test_models_are_listed_and_found(stage: Stage) -> None:
    async with stage.client as client:
        listed = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("org/fake-voice")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("nothing")
    assert listed[:2] == ["fake-chat", "org/fake-voice"]
    assert found.to_dict()["capabilities"]["voices"] == ["joe"]  # type: ignore[index]
    assert caught.value.code == "model_not_found"
    async with stage.http as http:
        speaking = await http.get("/v1/models", params={"task": "speech"})
    assert {model["id"] for model in speaking.json()["data"]} == {"org/fake-voice"}


def reports(client: httpx.AsyncClient, status: int, state: str) -> Callable[[], Awaitable[bool]]:
    """Whether /readyz has this status and chat this state."""

    async def check() -> bool:
        answer = await client.get("/readyz")
        return (answer.status_code, answer.json()["capabilities"]["chat"]) == (status, state)

    return check


async def test_readiness_follows_the_services(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    async with (
        running(settings_for(tmp_path, address), None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        away = await client.get("/readyz")
        assert away.status_code == 503
        assert away.headers["retry-after"] == "1"
        assert away.json()["capabilities"]["chat"] == "unreachable"
        assert away.json()["error"]["code"] == "service_unavailable"
        began = time.monotonic()
        down = await client.post(CHAT, json=BODY)
        assert time.monotonic() - began < 2
        assert (down.status_code, error_of(down)["code"]) == (503, "service_unavailable")
        assert down.headers["retry-after"] == "1"
        assert (await client.get("/v1/models")).status_code == 503
        async with serving(address, Script(), ready=False):
            await eventually(reports(client, 503, "not_serving"))
        async with serving(address, Script()):
            await eventually(reports(client, 200, "serving"))
            assert (await client.post(CHAT, json=BODY)).status_code == 200
            assert (await client.get("/v1/models")).status_code == 200


async def test_a_capability_that_is_not_installed_is_not_found(tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path), None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(CHAT, json=BODY)
        assert (response.status_code, error_of(response)["code"]) == (404, "not_found")
        assert (await client.get("/readyz")).json() == {"status": "ready", "capabilities": {}}


async def test_a_service_killed_in_mid_stream_and_started_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes.upstreams", address, "hold"
        )

    service = await start()
    async with (
        running(settings_for(tmp_path, address, retry_seconds=0.5), None) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as client,
    ):
        await eventually(reports(client, 200, "serving"), seconds=20)
        async with client.stream("POST", CHAT, json={**BODY, "stream": True}) as response:
            lines = response.aiter_lines()
            assert "Hello" in [await anext(lines) for _ in range(3)][2]
            os.kill(service.pid, signal.SIGKILL)
            rest = [line async for line in lines if line]
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "service_unavailable"
        assert "data: [DONE]" not in rest
        await service.wait()
        down = await client.post(CHAT, json=BODY)
        assert (down.status_code, error_of(down)["code"]) == (503, "service_unavailable")
        service = await start()
        await eventually(reports(client, 200, "serving"), seconds=20)
    service.kill()
    await service.wait()


async def test_metrics_count_requests_by_route_and_errors_by_code(stage: Stage) -> None:
    stage.script.error = Internal("It broke.")
    async with stage.http as client:
        await client.post(CHAT, json=BODY)
        await client.get("/v1/models/a/b/c")
        await client.get("/anything")
        page = (await client.get("/metrics")).text
    for line in (
        'orfeon_http_requests_total{method="POST",route="/v1/chat/completions",status="500"} 1.0',
        'orfeon_http_requests_total{method="GET",route="/v1/models/{model:path}",status="404"} 1.0',
        'orfeon_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'orfeon_http_errors_total{code="internal_error",route="/v1/chat/completions"} 1.0',
    ):
        assert line in page


async def test_browsers_of_a_known_origin_may_call(tmp_path: Path) -> None:
    origin = "https://studio.example.org"
    headers = {"origin": origin, "access-control-request-method": "POST"}
    async with staged(tmp_path, cors_origins=[origin]) as stage, stage.http as client:
        before = await client.options(CHAT, headers=headers)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == origin
        after = await client.post(CHAT, json={}, headers={"origin": origin})
        assert after.status_code == 400
        assert after.headers["access-control-allow-origin"] == origin
        for name in ("x-request-id", "retry-after", "x-queue-position"):
            assert name in after.headers["access-control-expose-headers"]


async def test_who_takes_nothing_of_an_answer_any_more_is_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "STALLED", 0.5)
    stage.script.pieces = ["x" * 100_000] * 1_000  # More than all buffers on the way hold.
    body = json.dumps({**BODY, "stream": True}).encode()
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        loop, port = asyncio.get_running_loop(), urlsplit(stage.url).port
        await loop.sock_connect(plug, ("127.0.0.1", port))
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.secret}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        await loop.sock_sendall(plug, head.encode() + body)
        await asyncio.wait_for(stage.script.cancelled.wait(), 10)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, BODY),
        ("/v1/completions", {"model": "fake-chat", "prompt": "Why"}),
        ("/v1/responses", {"input": "Why?"}),
        ("/v1/lyrics", {}),
    ],
)
async def test_who_leaves_a_stream_is_charged_what_was_sent(
    stage: Stage, path: str, body: dict[str, object]
) -> None:
    stage.script.pieces, stage.script.hold = ["one", "two", "three", "four", "five"], True
    async with stage.http as client:

        async def left() -> int:
            headers = (await client.post("/v1/lyrics", json={"genre": 1})).headers
            return int(headers["x-ratelimit-remaining-tokens"])

        before = await left()
        async with client.stream("POST", path, json={**body, "stream": True}) as response:
            async for line in response.aiter_lines():
                if "five" in line:
                    break
        await asyncio.wait_for(stage.script.cancelled.wait(), 5)

        async def charged() -> bool:
            return before - await left() >= 5

        await eventually(charged, 3)


async def test_who_sends_two_requests_at_once_and_leaves_is_noticed(stage: Stage) -> None:
    stage.script.hold = True
    body = json.dumps(BODY).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stage.url).port)
    writer.write((head.encode() + body) * 2)
    await asyncio.wait_for(stage.script.started.wait(), 5)
    writer.close()
    await asyncio.wait_for(stage.script.cancelled.wait(), 5)


async def test_of_two_requests_at_once_the_first_is_answered(stage: Stage) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stage.url).port)
    writer.write(request * 2)
    answer = await asyncio.wait_for(reader.read(-1), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


async def test_an_answer_may_be_larger_than_a_request(stage: Stage) -> None:
    stage.script.pieces = ["x" * 2**20] * 17
    async with stage.http as client:
        answer = (await client.post(CHAT, json=BODY)).json()
    assert len(answer["choices"][0]["message"]["content"]) == 17 * 2**20
