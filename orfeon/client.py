"""The client: `Orfeon`, and `AsyncOrfeon` with the same methods to await."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Self, Unpack

import httpx

from orfeon import calls, voicecalls
from orfeon.calls import File
from orfeon.events import events, events_async, read
from orfeon.live import AsyncLive, ListenWish, Live, listening, listening_async
from orfeon.resources import AsyncImages, AsyncJobs, AsyncSongs, Images, Jobs, Songs
from orfeon.transport import AsyncTransport, Transport
from orfeon.types import (
    Lyrics,
    LyricsWish,
    Melody,
    MelodyGenre,
    MelodyWish,
    Model,
    QueueEntry,
    UsagePage,
    Voice,
    WrittenLine,
)
from orfeon.voices import (
    Classification,
    ClassifyWish,
    Diarization,
    DiarizeWish,
    KeywordMatch,
    KeywordWish,
    TimelineSegment,
    VoiceEmbedding,
    timeline_event,
)
from orfeon.writing import LyricsReader


class Orfeon:
    """A connection to a gateway. Close it, or use it as a context manager.

    `base_url` and `api_key` come from ORFEON_BASE_URL and ORFEON_API_KEY unless given. `timeout`
    is in seconds. A call refused with 429 or 503 is tried again up to `max_retries` times, after
    as long as the gateway asks. `transport` stands in for the network in tests.

    `images` makes images; `songs` songs, in the background; `jobs` says what has become of them.

    Every method raises `OrfeonError`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        max_retries: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        options = calls.options(*calls.from_environment(base_url, api_key), timeout)
        self._transport = Transport(httpx.Client(transport=transport, **options), max_retries)
        self.images = Images(self._transport)
        self.songs = Songs(self._transport)
        self.jobs = Jobs(self._transport)

    def classify(self, file: File, **wish: Unpack[ClassifyWish]) -> Classification:
        """The emotion in a voice: every label with its score, best first; none where nobody speaks.

        See `ClassifyWish` for what can be asked for. `file` is a path, the bytes of a file, or an
        open binary file; any format that ffmpeg reads. Raises `OSError` if it cannot be read.
        """
        return self._transport.send(voicecalls.classify(file, wish))

    def classify_all(
        self, files: Sequence[File], **wish: Unpack[ClassifyWish]
    ) -> list[Classification]:
        """The same of up to 32 recordings, in their order, in one request."""
        return self._transport.send(voicecalls.classify_all(files, wish))

    def timeline(
        self, file: File, **wish: Unpack[ClassifyWish]
    ) -> Iterator[TimelineSegment | Classification]:
        """How a recording goes, as soon as it is known: stretches, and the whole at the end."""
        with self._transport.stream(voicecalls.timeline(file, wish)) as response:
            for event in events(response):
                yield read(timeline_event, event)

    def listen(self, **wish: Unpack[ListenWish]) -> AbstractContextManager[Live]:
        """Opens a live stream: samples are sent, and what the voice tells is heard meanwhile."""
        return listening(self._transport.client, **wish)

    def diarize(
        self,
        file: File,
        known: Mapping[str, File] | None = None,
        **wish: Unpack[DiarizeWish],
    ) -> Diarization:
        """Who speaks when. Speakers are A, B and so on; who is `known` is called by name.

        `known` has a recording of 2 to 30 seconds by each name.
        """
        return self._transport.send(voicecalls.diarize(file, known or {}, wish))

    def embed_voice(
        self, file: File, model: str | None = None, priority: int | None = None
    ) -> VoiceEmbedding:
        """The vector of a voice: recordings of one speaker lie close together."""
        wish = {"model": model, "priority": priority}
        return self._transport.send(voicecalls.embed(file, wish))

    def find_keywords(
        self, file: File, keywords: Sequence[str], **wish: Unpack[KeywordWish]
    ) -> list[KeywordMatch]:
        """Where words and phrases, any at all, are said in a recording."""
        return self._transport.send(voicecalls.find_keywords(file, keywords, wish))

    def write_lyrics(self, **wish: Unpack[LyricsWish]) -> Lyrics:
        """The lyrics of a song: see `LyricsWish` for what can be asked for."""
        return self._transport.send(calls.lyrics(wish))

    def stream_lyrics(self, **wish: Unpack[LyricsWish]) -> Iterator[WrittenLine | Lyrics]:
        """The same line by line, as soon as each is written, and the whole at the end."""
        reader = LyricsReader()
        with self._transport.stream(calls.lyrics_stream(wish)) as response:
            for event in events(response):
                if (piece := read(reader, event)) is not None:
                    yield piece

    def melody(self, follow: File | None = None, **wish: Unpack[MelodyWish]) -> Melody:
        """Music, composed and played: see `MelodyWish` for what can be asked for.

        `follow` is a recording whose melody to follow, for models that can. Raises `OSError` if
        it cannot be read.
        """
        return self._transport.send(calls.melody(wish, follow))

    def melody_genres(self, model: str | None = None) -> list[MelodyGenre]:
        """The genres that `melody` can be asked for."""
        return self._transport.send(calls.melody_genres(model))

    def voices(self) -> list[Voice]:
        """The voices that speech can be asked for."""
        return self._transport.send(calls.voices())

    def models(self) -> list[Model]:
        """Every model and what it can do."""
        return self._transport.send(calls.models())

    def load_model(self, id: str, pinned: bool | None = None) -> Model:
        """Loads a model, by its id or an alias, and returns once it is in memory.

        `pinned` says whether it stays there from now on, idle or not; None leaves that as it is.
        Needs an admin key. A load may take longer than the client's timeout; it goes on then.
        """
        return self._transport.send(calls.load_model(id, pinned))

    def unload_model(self, id: str) -> Model:
        """Unloads a model and returns once its memory is free. Needs an admin key.

        Requests that it is working on end first. It is pinned no longer.
        """
        return self._transport.send(calls.unload_model(id))

    def queue(self) -> list[QueueEntry]:
        """The key's own requests, running and waiting; those of all keys, for an admin key."""
        return self._transport.send(calls.queue())

    def usage(self, days: int = 30) -> UsagePage:
        """What the key has used in the last so many days; what all have, for an admin key."""
        return self._transport.send(calls.usage(days))

    def close(self) -> None:
        """Closes the connections."""
        self._transport.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncOrfeon:
    """`Orfeon` for asyncio."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        max_retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = calls.options(*calls.from_environment(base_url, api_key), timeout)
        client = httpx.AsyncClient(transport=transport, **options)
        self._transport = AsyncTransport(client, max_retries)
        self.images = AsyncImages(self._transport)
        self.songs = AsyncSongs(self._transport)
        self.jobs = AsyncJobs(self._transport)

    async def classify(self, file: File, **wish: Unpack[ClassifyWish]) -> Classification:
        """See `Orfeon.classify`."""
        return await self._transport.send(voicecalls.classify(file, wish))

    async def classify_all(
        self, files: Sequence[File], **wish: Unpack[ClassifyWish]
    ) -> list[Classification]:
        """See `Orfeon.classify_all`."""
        return await self._transport.send(voicecalls.classify_all(files, wish))

    async def timeline(
        self, file: File, **wish: Unpack[ClassifyWish]
    ) -> AsyncIterator[TimelineSegment | Classification]:
        """See `Orfeon.timeline`."""
        async with self._transport.stream(voicecalls.timeline(file, wish)) as response:
            async for event in events_async(response):
                yield read(timeline_event, event)

    def listen(self, **wish: Unpack[ListenWish]) -> AbstractAsyncContextManager[AsyncLive]:
        """See `Orfeon.listen`."""
        return listening_async(self._transport.client, **wish)

    async def diarize(
        self,
        file: File,
        known: Mapping[str, File] | None = None,
        **wish: Unpack[DiarizeWish],
    ) -> Diarization:
        """See `Orfeon.diarize`."""
        return await self._transport.send(voicecalls.diarize(file, known or {}, wish))

    async def embed_voice(
        self, file: File, model: str | None = None, priority: int | None = None
    ) -> VoiceEmbedding:
        """See `Orfeon.embed_voice`."""
        wish = {"model": model, "priority": priority}
        return await self._transport.send(voicecalls.embed(file, wish))

    async def find_keywords(
        self, file: File, keywords: Sequence[str], **wish: Unpack[KeywordWish]
    ) -> list[KeywordMatch]:
        """See `Orfeon.find_keywords`."""
        return await self._transport.send(voicecalls.find_keywords(file, keywords, wish))

    async def write_lyrics(self, **wish: Unpack[LyricsWish]) -> Lyrics:
        """See `Orfeon.write_lyrics`."""
        return await self._transport.send(calls.lyrics(wish))

    async def stream_lyrics(
        self, **wish: Unpack[LyricsWish]
    ) -> AsyncGenerator[WrittenLine | Lyrics, None]:
        """See `Orfeon.stream_lyrics`. Closing it stops the writing."""
        reader = LyricsReader()
        async with self._transport.stream(calls.lyrics_stream(wish)) as response:
            async for event in events_async(response):
                if (piece := read(reader, event)) is not None:
                    yield piece

    async def melody(self, follow: File | None = None, **wish: Unpack[MelodyWish]) -> Melody:
        """See `Orfeon.melody`."""
        return await self._transport.send(calls.melody(wish, follow))

    async def melody_genres(self, model: str | None = None) -> list[MelodyGenre]:
        """See `Orfeon.melody_genres`."""
        return await self._transport.send(calls.melody_genres(model))

    async def voices(self) -> list[Voice]:
        """See `Orfeon.voices`."""
        return await self._transport.send(calls.voices())

    async def models(self) -> list[Model]:
        """See `Orfeon.models`."""
        return await self._transport.send(calls.models())

    async def load_model(self, id: str, pinned: bool | None = None) -> Model:
        """See `Orfeon.load_model`."""
        return await self._transport.send(calls.load_model(id, pinned))

    async def unload_model(self, id: str) -> Model:
        """See `Orfeon.unload_model`."""
        return await self._transport.send(calls.unload_model(id))

    async def queue(self) -> list[QueueEntry]:
        """See `Orfeon.queue`."""
        return await self._transport.send(calls.queue())

    async def usage(self, days: int = 30) -> UsagePage:
        """See `Orfeon.usage`."""
        return await self._transport.send(calls.usage(days))

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
