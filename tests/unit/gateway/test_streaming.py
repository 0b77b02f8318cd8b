import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from gateway.exchange import SCOPE_KEY, Exchange
from gateway.streaming import (
    COMMENT,
    ByteStream,
    EventStream,
    FileStream,
    event,
    kept_alive,
    while_connected,
)
from services.runtime.errors import Cancelled, Internal

Message = MutableMapping[str, Any]


class Client:
    """A client at the other end of ASGI, which leaves when told."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.got: list[Message] = []

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)

    @property
    def complete(self) -> bool:
        return bool(self.got) and self.got[-1].get("more_body") is False


async def play(stream: EventStream | ByteStream, client: Client) -> Exchange:
    exchange = Exchange("r")
    await stream({"type": "http", SCOPE_KEY: exchange}, client.receive, client.send)
    return exchange


async def pieces(*items: bytes | Exception) -> AsyncGenerator[bytes, None]:
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


async def test_leaving_ends_the_block_as_cancelled() -> None:
    client = Client()

    async def work() -> None:
        async with while_connected(client.receive):
            client.gone.set()
            await asyncio.Event().wait()

    with pytest.raises(Cancelled):
        await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_first_ends_well() -> None:
    async with while_connected(Client().receive):
        await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        async with while_connected(Client().receive):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_events_end_with_done() -> None:
    client = Client()
    await play(EventStream(pieces(event({"a": "é\n"}))), client)
    assert client.body == b'data: {"a":"\\u00e9\\n"}\n\ndata: [DONE]\n\n'
    assert client.complete


async def test_a_failure_among_events_is_the_last_one_and_counted() -> None:
    client = Client()
    exchange = await play(EventStream(pieces(b"data: 1\n\n", Internal("It broke."))), client)
    last = json.loads(client.body.split(b"\n\n")[-2].removeprefix(b"data: "))
    assert last["error"]["message"] == "It broke."
    assert b"[DONE]" not in client.body
    assert client.complete
    assert exchange.error == "internal_error"


async def test_an_unexpected_failure_among_events_is_a_fixed_sentence() -> None:
    client = Client()
    await play(EventStream(pieces(b"data: 1\n\n", ValueError("a secret"))), client)
    assert b"internal_error" in client.body
    assert b"secret" not in client.body


@pytest.mark.parametrize("kind", [EventStream, lambda items: ByteStream(items, "audio/wav")])
async def test_a_failure_before_the_first_piece_is_raised(kind: Any) -> None:
    client = Client()
    with pytest.raises(Internal):
        await play(kind(pieces(Internal("It broke."))), client)
    assert client.got == []


async def test_a_file_that_breaks_is_left_incomplete() -> None:
    client = Client()
    await play(ByteStream(pieces(b"RIFF", Internal("It broke.")), "audio/wav"), client)
    assert client.body == b"RIFF"
    assert not client.complete


async def test_a_file_without_a_byte_is_still_an_answer() -> None:
    client = Client()
    await play(ByteStream(pieces(), "audio/wav"), client)
    assert client.got[0]["status"] == 200
    assert client.complete


async def test_a_client_that_leaves_closes_the_source() -> None:
    client, closed = Client(), asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
            client.gone.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    exchange = await play(EventStream(endless()), client)
    assert closed.is_set()
    assert exchange.error == "cancelled"
    assert not client.complete


async def test_the_last_piece_of_a_file_ends_it() -> None:
    client = Client()
    await play(FileStream(pieces(b"ab", b"c"), "audio/mpeg", 3), client)
    assert client.body == b"abc"
    start, *bodies = client.got
    assert (b"content-length", b"3") in start["headers"]
    assert [message["more_body"] for message in bodies] == [True, False]


async def test_a_client_who_leaves_with_all_of_a_file_is_not_missed() -> None:
    client = Client()

    async def file() -> AsyncGenerator[bytes, None]:
        yield b"abc"
        client.gone.set()
        await asyncio.Event().wait()

    exchange = await play(FileStream(file(), "audio/mpeg", 3), client)
    assert client.complete
    assert exchange.error == ""


async def test_an_empty_file_ends_too() -> None:
    client = Client()
    await play(FileStream(pieces(), "text/plain", 0), client)
    assert client.complete


async def test_a_file_that_ends_too_soon_is_broken_off() -> None:
    client = Client()
    exchange = await play(FileStream(pieces(b"ab", Internal("Gone.")), "audio/mpeg", 3), client)
    assert not client.complete
    assert exchange.error == "internal_error"


async def test_where_nothing_comes_a_comment_does() -> None:
    coming = asyncio.Event()
    closed = False

    async def slow() -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            await coming.wait()
            yield b"one"
            yield b"two"
            await asyncio.Event().wait()
        finally:
            closed = True

    alive = kept_alive(slow(), 0)
    assert [await anext(alive), await anext(alive)] == [COMMENT, COMMENT]
    coming.set()
    told = [await anext(alive) for _ in range(10)]
    assert [piece for piece in told if piece != COMMENT] == [b"one", b"two"]
    assert told[-1] == COMMENT
    await alive.aclose()
    assert closed


async def test_what_ends_or_breaks_does_so_alive() -> None:
    assert [piece async for piece in kept_alive(pieces(b"a", b"b"))] == [b"a", b"b"]
    alive = kept_alive(pieces(b"a", Internal("Gone.")))
    assert await anext(alive) == b"a"
    with pytest.raises(Internal):
        await anext(alive)
