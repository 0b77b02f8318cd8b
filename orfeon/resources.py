"""`client.images`, `client.songs` and `client.jobs`, as methods."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Unpack

from orfeon import images, jobs
from orfeon.calls import File
from orfeon.errors import APIConnectionError, OrfeonError
from orfeon.events import events, events_async, read
from orfeon.images import ImageWish, MadeImage, PictureWish
from orfeon.jobs import Job, SongWish, job_of
from orfeon.transport import AsyncTransport, Transport

#: How often a connection that broke is made again without a word of the job, and after how many
#: seconds each time.
_RECONNECTS, _PAUSE = 30, 1.0


class Images:
    """Images, made while one waits. Every method raises `OrfeonError`.

    Pictures are PNG, JPEG or WebP: paths, bytes or open files. Raises `OSError` if one cannot be
    read.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def generate(self, prompt: str, **wish: Unpack[ImageWish]) -> list[MadeImage]:
        """Images that a prompt describes."""
        return self._transport.send(images.generation(prompt, wish))

    def edit(
        self, image: File, prompt: str, mask: File | None = None, **wish: Unpack[PictureWish]
    ) -> list[MadeImage]:
        """A picture, changed towards a prompt where it, or the mask, is transparent; all of it
        where nothing is.
        """
        return self._transport.send(images.edit(image, prompt, mask, wish))

    def vary(self, image: File, **wish: Unpack[PictureWish]) -> list[MadeImage]:
        """Images like a picture."""
        return self._transport.send(images.variation(image, wish))


class AsyncImages:
    """`Images` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def generate(self, prompt: str, **wish: Unpack[ImageWish]) -> list[MadeImage]:
        """See `Images.generate`."""
        return await self._transport.send(images.generation(prompt, wish))

    async def edit(
        self, image: File, prompt: str, mask: File | None = None, **wish: Unpack[PictureWish]
    ) -> list[MadeImage]:
        """See `Images.edit`."""
        return await self._transport.send(images.edit(image, prompt, mask, wish))

    async def vary(self, image: File, **wish: Unpack[PictureWish]) -> list[MadeImage]:
        """See `Images.vary`."""
        return await self._transport.send(images.variation(image, wish))


class Songs:
    """Songs, made in the background. Every method raises `OrfeonError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        voice: File | None = None,
        *,
        idempotency_key: str | None = None,
        **wish: Unpack[SongWish],
    ) -> Job:
        """Takes a song on: see `SongWish` for what can be asked for.

        `voice` is a recording whose mood the song shall have. The same `idempotency_key` gives the
        same job again. Raises `OSError` if the voice cannot be read.
        """
        return self._transport.send(jobs.create(wish, voice, idempotency_key))

    def again(
        self, job: str, step: str, *, seed: int | None = None, idempotency_key: str | None = None
    ) -> Job:
        """Makes a step of a finished song again, and what follows from it, as another job."""
        return self._transport.send(jobs.again(job, step, seed, idempotency_key))


class Jobs:
    """The key's jobs. Every method raises `OrfeonError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, job: str) -> Job:
        """A job as it is now."""
        return self._transport.send(jobs.get(job))

    def list(self, limit: int = 20, after: str | None = None) -> "list[Job]":
        """The newest jobs, or those after one of them."""
        return self._transport.send(jobs.page(limit, after))

    def cancel(self, job: str) -> Job:
        """Ends a job; returns when nothing works on it."""
        return self._transport.send(jobs.cancel(job))

    def events(self, job: str) -> Iterator[Job]:
        """A job as it is, and again at each change, until it has ended.

        Comes back by itself where the connection breaks, for up to half a minute.
        """
        seen: Job | None = None
        failures = 0
        while seen is None or not seen.ended:
            try:
                with self._transport.stream(jobs.watch(job)) as response:
                    for event in events(response):
                        failures = 0
                        if (state := read(job_of, event)) != seen:
                            seen = state
                            yield state
            except APIConnectionError:
                failures += 1
                if seen is None or failures > _RECONNECTS:
                    raise
                time.sleep(_PAUSE)

    def wait(self, job: str) -> Job:
        """The job once it has ended, in whatever way."""
        return _last(list(self.events(job)))

    def read(self, job: str, artifact: str) -> bytes:
        """The bytes of an artifact."""
        return self._transport.send(jobs.artifact(job, artifact))

    def download(self, job: str, artifact: str, path: str | os.PathLike[str]) -> None:
        """Writes an artifact to a file. Raises `OSError` if that cannot be written."""
        Path(path).write_bytes(self.read(job, artifact))


class AsyncSongs:
    """`Songs` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        voice: File | None = None,
        *,
        idempotency_key: str | None = None,
        **wish: Unpack[SongWish],
    ) -> Job:
        """See `Songs.create`."""
        return await self._transport.send(jobs.create(wish, voice, idempotency_key))

    async def again(
        self, job: str, step: str, *, seed: int | None = None, idempotency_key: str | None = None
    ) -> Job:
        """See `Songs.again`."""
        return await self._transport.send(jobs.again(job, step, seed, idempotency_key))


class AsyncJobs:
    """`Jobs` for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, job: str) -> Job:
        """See `Jobs.get`."""
        return await self._transport.send(jobs.get(job))

    async def list(self, limit: int = 20, after: str | None = None) -> "list[Job]":
        """See `Jobs.list`."""
        return await self._transport.send(jobs.page(limit, after))

    async def cancel(self, job: str) -> Job:
        """See `Jobs.cancel`."""
        return await self._transport.send(jobs.cancel(job))

    async def events(self, job: str) -> AsyncIterator[Job]:
        """See `Jobs.events`."""
        seen: Job | None = None
        failures = 0
        while seen is None or not seen.ended:
            try:
                async with self._transport.stream(jobs.watch(job)) as response:
                    async for event in events_async(response):
                        failures = 0
                        if (state := read(job_of, event)) != seen:
                            seen = state
                            yield state
            except APIConnectionError:
                failures += 1
                if seen is None or failures > _RECONNECTS:
                    raise
                await asyncio.sleep(_PAUSE)

    async def wait(self, job: str) -> Job:
        """See `Jobs.wait`."""
        return _last([state async for state in self.events(job)])

    async def read(self, job: str, artifact: str) -> bytes:
        """See `Jobs.read`."""
        return await self._transport.send(jobs.artifact(job, artifact))


def _last(states: "list[Job]") -> Job:
    if not states:
        raise OrfeonError("The answer broke off; ask again.")
    return states[-1]
