"""Clients that leave, or take nothing any more, before their answer is complete."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest

from gateway import protocol
from tests.fakes.gateway import BODY, CHAT, Stage, eventually, stage

__all__ = ["stage"]


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
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)


@pytest.mark.parametrize(
    ("path", "body", "tokens"),
    [
        (CHAT, BODY, 1),
        (CHAT, BODY, 4),
        ("/v1/completions", {"model": "fake-chat", "prompt": "Why"}, 4),
        ("/v1/responses", {"input": "Why?"}, 4),
        ("/v1/lyrics", {}, 1),
    ],
)
async def test_who_leaves_a_stream_is_charged_what_was_generated(
    stage: Stage, path: str, body: dict[str, object], tokens: int
) -> None:
    stage.script.pieces, stage.script.hold = ["one", "two", "three", "four", "five"], True
    stage.script.tokens = tokens
    async with stage.http as client:

        async def left() -> int:
            headers = (await client.post("/v1/lyrics", json={"genre": 1})).headers
            return int(headers["x-ratelimit-remaining-tokens"])

        before = await left()
        async with client.stream("POST", path, json={**body, "stream": True}) as response:
            async for line in response.aiter_lines():
                if "five" in line:
                    break
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)

        async def charged() -> bool:
            return before - await left() >= 5 * tokens

        await eventually(charged)


async def test_who_sends_two_requests_at_once_and_leaves_is_noticed(stage: Stage) -> None:
    stage.script.hold = True
    body = json.dumps(BODY).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(stage.url).port)
    writer.write((head.encode() + body) * 2)
    await asyncio.wait_for(stage.script.started.wait(), 20)
    writer.close()
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)
