"""Documents of a provider that behaves in whatever way, over real sockets."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.fetch import MOST_BYTES, HttpFetch, Unfetched
from tests.fakes.ports import free_port
from tests.integration.authority import authority_in
from tests.integration.oidc_provider import Provider


@asynccontextmanager
async def answering(head: str, body: bytes = b"", pause: float = 0) -> AsyncIterator[str]:
    """A server that gives one answer to all, a byte every `pause` seconds where that is not 0."""

    answers: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces = [body[at : at + 1] for at in range(len(body))] if pause else [body]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode())
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.add(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    finally:
        server.close()
        if answers:
            await asyncio.wait(answers)


@pytest.fixture
async def fetch() -> AsyncIterator[HttpFetch]:
    fetch = HttpFetch()
    yield fetch
    await fetch.close()


async def test_what_lies_there_is_read(fetch: HttpFetch) -> None:
    async with answering("200 OK", b"{}") as url:
        assert await fetch.get(url) == b"{}"


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content"])
async def test_other_answers_give_nothing(fetch: HttpFetch, status: str) -> None:
    async with answering(status) as url:
        with pytest.raises(Unfetched, match=status[:3]):
            await fetch.get(url)


async def test_it_is_sent_nowhere_else(fetch: HttpFetch) -> None:
    async with (
        answering("200 OK", b"{}") as other,
        answering(f"302 Found\r\nlocation: {other}") as url,
    ):
        with pytest.raises(Unfetched, match="302"):
            await fetch.get(url)


@pytest.mark.parametrize("packed", [False, True])
async def test_too_much_is_not_read_to_its_end(fetch: HttpFetch, packed: bool) -> None:
    body, head = bytes(MOST_BYTES + 1), "200 OK"
    if packed:
        body, head = gzip.compress(body), "200 OK\r\ncontent-encoding: gzip"
    async with answering(head, body) as url:
        with pytest.raises(Unfetched, match="too much"):
            await fetch.get(url)


async def test_an_answer_that_does_not_end_is_not_waited_for(
    fetch: HttpFetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.fetch._SECONDS", 0.3)
    async with answering("200 OK", bytes(100), pause=0.05) as url:
        with pytest.raises(Unfetched, match="TimeoutError"):
            await fetch.get(url)


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}/", "http://a.invalid/", "http://[/"])
async def test_who_is_not_there_gives_nothing(fetch: HttpFetch, url: str) -> None:
    with pytest.raises(Unfetched):
        await fetch.get(url.format(port=free_port()))


async def test_an_authority_of_ones_own_is_trusted_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, private, strange = (authority_in(tmp_path / name) for name in ("a", "b", "c"))
    monkeypatch.setenv("SSL_CERT_FILE", str(public.file))
    with (
        Provider(algorithm="ES256", authority=public) as first,
        Provider(algorithm="ES256", authority=private) as second,
        Provider(algorithm="ES256", authority=strange) as third,
    ):
        fetch = HttpFetch(str(private.file))
        for trusted in (first, second):
            assert await fetch.get(f"{trusted.issuer}/jwks")
        with pytest.raises(Unfetched, match="certificate verify failed"):
            await fetch.get(f"{third.issuer}/jwks")
        await fetch.close()
