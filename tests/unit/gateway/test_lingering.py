from collections.abc import Iterator

from starlette.types import Message, Receive, Scope, Send

from gateway.lingering import SMALL, Lingering


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without reading."""
    await send({"type": "http.response.start", "status": 413, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads, then answers."""
    while (await receive()).get("more_body"):
        pass
    await refusing(scope, receive, send)


async def exchange(app: Lingering, length: int, parts: list[bytes]) -> tuple[list[Message], int]:
    """The messages sent, and how many parts of the body were read."""
    sent: list[Message] = []
    last = len(parts) - 1
    coming: Iterator[Message] = iter(
        {"type": "http.request", "body": part, "more_body": at < last}
        for at, part in enumerate(parts)
    )
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", str(length).encode())]
    await app({"type": "http", "headers": headers}, receive, send)
    return sent, read


async def test_a_large_body_is_answered_first_and_read_off_after() -> None:
    sent, read = await exchange(Lingering(refusing), SMALL * 3, [b"x"] * 3)
    assert (b"connection", b"close") in sent[0]["headers"]
    assert [message.get("more_body", False) for message in sent[1:]] == [True, False]
    assert read == 3


async def test_a_body_that_was_read_leaves_the_connection_alone() -> None:
    sent, _ = await exchange(Lingering(reading), SMALL * 3, [b"x"] * 3)
    assert sent[0]["headers"] == []
    assert len(sent) == 2


async def test_a_small_body_leaves_the_connection_alone() -> None:
    sent, read = await exchange(Lingering(refusing), 10, [b"x"])
    assert sent[0]["headers"] == []
    assert read == 0
