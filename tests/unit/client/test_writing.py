"""Lyrics that come line by line, sync and async."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import orfeon

CREATED = {
    "type": "lyrics.created",
    "id": "lyrics-1",
    "created": 1,
    "genre": "pop",
    "model": "smollm2",
    "language": "en",
    "title": "Home",
    "seed": 7,
}
LINES = [
    {"section": 0, "kind": "verse", "text": "Two cups", "syllables": 2},
    {"section": 0, "kind": "verse", "text": "One chair", "syllables": 2},
    {"section": 1, "kind": "chorus", "text": "Come home", "syllables": 2},
]
DONE = {"type": "lyrics.done", "usage": {}}
SONG = [CREATED, *({"type": "lyrics.line", **line} for line in LINES), DONE]


def written(*events: object, end: str = "data: [DONE]\n\n") -> httpx.Response:
    return httpx.Response(200, text="".join(f"data: {json.dumps(one)}\n\n" for one in events) + end)


def client(answer: httpx.Response) -> orfeon.Orfeon:
    transport = httpx.MockTransport(lambda request: answer)
    return orfeon.Orfeon("http://gateway.test", "key", transport=transport)


async def test_lyrics_come_line_by_line_and_whole_at_the_end() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/lyrics"
        assert json.loads(request.read()) == {"genre": "pop", "seed": 7, "stream": True}
        return written(*SONG)

    def check(pieces: list[object]) -> None:
        *lines, whole = pieces
        assert lines == [orfeon.WrittenLine(**line) for line in LINES]  # type: ignore[arg-type]
        assert isinstance(whole, orfeon.Lyrics)
        assert whole.text == "[Verse]\nTwo cups\nOne chair\n\n[Chorus]\nCome home"
        assert (whole.title, whole.seed, whole.language) == ("Home", 7, "en")

    transport = httpx.MockTransport(handler)
    with orfeon.Orfeon("http://gateway.test", transport=transport) as gateway:
        check(list(gateway.stream_lyrics(genre="pop", seed=7)))
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as other:
        check([piece async for piece in other.stream_lyrics(genre="pop", seed=7)])


def test_events_of_a_later_gateway_are_passed_over() -> None:
    pieces = list(client(written(CREATED, {"type": "lyrics.rhyme"}, *SONG[1:])).stream_lyrics())
    assert len(pieces) == 4


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {},
        {"type": "lyrics.line"},
        {"type": "lyrics.line", "section": [], "kind": "verse", "text": "", "syllables": 0},
        DONE,
    ],
)
def test_lyrics_that_nobody_understands_are_an_error(broken: object) -> None:
    with pytest.raises(orfeon.OrfeonError, match="not one of Orfeón's"):
        list(client(written(broken)).stream_lyrics())


def test_lyrics_that_break_off_are_an_error() -> None:
    with pytest.raises(orfeon.OrfeonError, match="broke off"):
        list(client(written(*SONG[:-1], end="")).stream_lyrics())


async def test_who_stops_reading_ends_the_request() -> None:
    class Endless(httpx.AsyncByteStream):
        closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                event: dict[str, Any] = {"type": "lyrics.line", **LINES[0]}
                yield f"data: {json.dumps(event)}\n\n".encode()

        async def aclose(self) -> None:
            self.closed = True

    endless = Endless()
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=endless))
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as gateway:
        lines = gateway.stream_lyrics()
        assert isinstance(await anext(lines), orfeon.WrittenLine)
        await lines.aclose()
    assert endless.closed
