"""Pictures are encoded once, and in the order of their levels."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from services.runtime.llama.gallery import Gallery, Opened
from services.runtime.llama.generation import Image
from services.runtime.llama.marks import Rows, is_mark, key_of, marks, row_of

TILES, ROWS, TOKEN = 3, 2, 7
TILE_BYTES = ROWS * 4 * 4


class Eyes:
    """Encodes a tile as rows of its number, where the test lets it."""

    def __init__(self) -> None:
        self.log: list[tuple[bytes, int]] = []
        self.decoded: list[bytes] = []
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()

    def open(self, image: Image) -> Opened:
        self.decoded.append(image.data)
        return Picture(self, image.data)


class Picture:
    def __init__(self, eyes: Eyes, data: bytes) -> None:
        self._eyes, self._data = eyes, data
        self._keys = [key_of(data, at) for at in range(TILES)]

    @property
    def tokens(self) -> Sequence[int]:
        return [place for key in self._keys for place in (TOKEN, *marks(key, ROWS))]

    def encode(self, key: int) -> Rows:
        self._eyes.begun.set()
        assert self._eyes.go.wait(10)
        self._eyes.log.append((self._data, self._keys.index(key)))
        return np.full((ROWS, 4), self._keys.index(key), np.float32)


@pytest.fixture
def eyes() -> Eyes:
    return Eyes()


@pytest.fixture
def gallery(eyes: Eyes) -> Gallery:
    return Gallery(eyes)


def image(name: str) -> Image:
    return Image(name.encode())


async def test_every_mark_has_its_row(gallery: Gallery) -> None:
    rows = await gallery.rows([image("a"), image("b")], 1)
    places = gallery.tokens(image("a")) + gallery.tokens(image("b"))
    assert places.count(TOKEN) == 2 * TILES
    for place in filter(is_mark, places):
        key, row = row_of(place)
        assert rows[key][row].shape == (4,)
    assert [int(part[0, 0]) for part in rows.values()] == [0, 1, 2] * 2


async def test_a_picture_is_encoded_once(gallery: Gallery, eyes: Eyes) -> None:
    for _ in range(3):
        gallery.tokens(image("a"))
        await gallery.rows([image("a"), image("a")], 1)
    assert eyes.log == [(b"a", 0), (b"a", 1), (b"a", 2)]
    assert eyes.decoded == [b"a"] * 2  # Once for its places, once for its pixels.


async def test_what_was_not_seen_for_long_is_forgotten(eyes: Eyes) -> None:
    gallery = Gallery(eyes, most_bytes=2 * TILES * TILE_BYTES)
    for name in ("a", "b", "a", "c", "a", "b"):
        await gallery.rows([image(name)], 1)
    assert [data for data, tile in eyes.log if tile == 0] == [b"a", b"b", b"c", b"b"]


async def test_a_picture_too_large_to_keep_is_read_nonetheless(eyes: Eyes) -> None:
    rows = await Gallery(eyes, most_bytes=1).rows([image("a")], 1)
    assert len(rows) == TILES


async def test_the_same_picture_sent_twice_at_once_is_encoded_once(
    gallery: Gallery, eyes: Eyes
) -> None:
    await asyncio.gather(*(gallery.rows([image("a")], 1) for _ in range(4)))
    assert len(eyes.log) == TILES


async def test_urgent_pictures_go_first_at_the_next_tile(gallery: Gallery, eyes: Eyes) -> None:
    eyes.go.clear()
    first = asyncio.create_task(gallery.rows([image("first")], 1))
    await asyncio.to_thread(eyes.begun.wait, 10)
    later = asyncio.create_task(gallery.rows([image("background")], 2))
    urgent = asyncio.create_task(gallery.rows([image("urgent")], 0))
    await waiting(gallery, 2)
    eyes.go.set()
    await asyncio.gather(first, later, urgent)
    names = [data.decode() for data, _ in eyes.log]
    assert names[:2] == ["first", "urgent"]
    assert names.index("background") > max(at for at, name in enumerate(names) if name == "urgent")
    assert names[-TILES:] == ["background"] * TILES


async def test_who_leaves_gives_the_turn_away(gallery: Gallery, eyes: Eyes) -> None:
    eyes.go.clear()
    working = asyncio.create_task(gallery.rows([image("a")], 1))
    await asyncio.to_thread(eyes.begun.wait, 10)
    queued = asyncio.create_task(gallery.rows([image("b")], 1))
    await waiting(gallery, 1)
    working.cancel()
    queued.cancel()
    eyes.go.set()
    for task in (working, queued):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert eyes.log == [(b"a", 0)]
    assert len(await gallery.rows([image("c")], 2)) == TILES


async def test_an_encoder_that_fails_keeps_nobody_out(gallery: Gallery, eyes: Eyes) -> None:
    good, eyes.open = eyes.open, lambda image: Broken()  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await gallery.rows([image("a")], 1)
    eyes.open = good  # type: ignore[method-assign]
    assert len(await gallery.rows([image("b")], 1)) == TILES


class Broken:
    tokens = tuple(marks(key_of(b"a", 0), ROWS))

    def encode(self, key: int) -> Rows:
        raise RuntimeError


async def waiting(gallery: Gallery, count: int) -> None:
    """Until as many callers wait for their turn."""
    while len(gallery._turns._waiting) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_who_leaves_does_so_when_the_picture_is_no_longer_being_decoded() -> None:
    class Slow(Eyes):
        def open(self, image: Image) -> Opened:
            self.begun.set()
            assert self.go.wait(10)
            return super().open(image)

    eyes = Slow()
    eyes.go.clear()
    task = asyncio.create_task(Gallery(eyes).rows([image("a")], 1))
    await asyncio.to_thread(eyes.begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()  # Else the projector could be freed while it is used.
    eyes.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
