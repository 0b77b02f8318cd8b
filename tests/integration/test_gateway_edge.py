"""What the gateway does around every route: sizes, media types, ids, metrics; what is no HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from services.runtime.errors import Internal
from tests.fakes.gateway import BODY, CHAT, Stage, error_of, stage, staged

__all__ = ["stage"]

JSON = {"content-type": "application/json"}


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
    async with asyncio.timeout(20):
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


async def test_of_two_requests_at_once_the_first_is_answered(stage: Stage) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stage.url).port)
    writer.write(request * 2)
    answer = await asyncio.wait_for(reader.read(-1), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


async def test_an_answer_may_be_larger_than_a_request(stage: Stage) -> None:
    stage.script.pieces = ["x" * 2**20] * 17
    async with stage.http as client:
        answer = (await client.post(CHAT, json=BODY)).json()
    assert len(answer["choices"][0]["message"]["content"]) == 17 * 2**20
