"""What a model has seen lately: pictures are encoded once, the most urgent first."""

import asyncio
import hashlib
import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from services.runtime import worker
from services.runtime.llama.generation import Image
from services.runtime.llama.marks import Rows, is_mark, row_of

MOST_BYTES = 64_000_000
"""Of encodings that are kept for later: six pictures of LLaVA 1.5 7B, 25 of SmolVLM 256M."""
MOST_PICTURES = 64


class Opened(Protocol):
    """A picture, decoded and cut up."""

    @property
    def tokens(self) -> Sequence[int]:
        """What to put into the prompt: marks, and tokens of the model around them."""

    def encode(self, key: int) -> Rows:
        """The encoding of a chunk. Blocking; called for one chunk at a time."""


class Eyes(Protocol):
    """The projector of a model; `vision.Projector` is this."""

    def open(self, image: Image) -> Opened:
        """Blocking. Raises `InvalidRequest`."""


class Gallery:
    """Knows of each picture its tokens in a prompt, and keeps the encodings of the latest."""

    def __init__(self, eyes: Eyes, most_bytes: int = MOST_BYTES) -> None:
        self._eyes = eyes
        self._most_bytes = most_bytes
        self._tokens: OrderedDict[bytes, tuple[int, ...]] = OrderedDict()
        self._counting = threading.Lock()
        self._rows: OrderedDict[int, Rows] = OrderedDict()
        self._turns = _Turns()

    def tokens(self, image: Image) -> tuple[int, ...]:
        """What stands for the picture in a prompt. Blocking. Raises `InvalidRequest`."""
        digest = hashlib.sha256(image.data).digest()
        with self._counting:
            if (known := self._tokens.get(digest)) is not None:
                self._tokens.move_to_end(digest)
                return known
        tokens = tuple(self._eyes.open(image).tokens)
        with self._counting:
            self._tokens[digest] = tokens
            while len(self._tokens) > MOST_PICTURES:
                self._tokens.popitem(last=False)
        return tokens

    async def rows(self, images: Sequence[Image], level: int) -> dict[int, Rows]:
        """The encodings of all chunks of the pictures, by key; those kept are not made again.

        Of several callers one of a lower `level` comes first at every chunk. Who leaves frees its
        turn when the chunk in work is done. Raises `InvalidRequest`.
        """
        found: dict[int, Rows] = {}
        for image in images:
            found |= await self._rows_of(image, level)
        return found

    async def _rows_of(self, image: Image, level: int) -> dict[int, Rows]:
        tokens = await worker.run(lambda _: self.tokens(image))
        keys = dict.fromkeys(row_of(token)[0] for token in tokens if is_mark(token))
        return await self._encoded(image, keys, level)

    async def _encoded(self, image: Image, keys: Collection[int], level: int) -> dict[int, Rows]:
        found = {key: rows for key in keys if (rows := self._kept(key)) is not None}
        if len(found) == len(keys):
            return found
        opened = await worker.run(lambda _: self._eyes.open(image))
        for key in keys:
            async with self._turns.turn(level):
                # Somebody may have sent the same picture meanwhile.
                rows = self._kept(key)
                found[key] = await self._encode(opened, key) if rows is None else rows
        return found

    async def _encode(self, opened: Opened, key: int) -> Rows:
        rows = await worker.run(lambda _: opened.encode(key))
        self._rows[key] = rows
        while sum(kept.nbytes for kept in self._rows.values()) > self._most_bytes:
            self._rows.popitem(last=False)
        return rows

    def _kept(self, key: int) -> Rows | None:
        if (rows := self._rows.get(key)) is not None:
            self._rows.move_to_end(key)
        return rows


class _Turns:
    """One at a time: the lowest level first, and in it who came first."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def turn(self, level: int) -> AsyncIterator[None]:
        if self._taken:
            called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (level, next(self._numbers), called))
            try:
                await called
            except asyncio.CancelledError:
                if called.done() and not called.cancelled():
                    self._pass_on()
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            *_, called = heapq.heappop(self._waiting)
            if not called.done():
                called.set_result(None)
                return
        self._taken = False
