"""The images contract: messages of the protocol <-> values of the painters."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import grpc

from orfeon.api.images.v1 import images_pb2, images_pb2_grpc
from services.images.choices import Choices, choices_of
from services.images.engine import (
    ImageRequest,
    Painter,
    Painting,
    Piece,
    Preview,
    Step,
    Task,
)
from services.images.requests import edit, format_of, generation, keeps, variation
from services.images.settings import ImagesSettings
from services.images.store import ImageStore
from services.images.writing import FileFormat, Origin, written
from services.runtime import worker
from services.runtime.context import context_of
from services.runtime.errors import ModelNotFound
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest
from services.runtime.worker import Cancellation

#: Bytes of a file that one message carries.
PART_BYTES = 128 * 1024
#: Pieces made while another is encoded.
AHEAD = 1

Event = images_pb2.Event
Context = grpc.aio.ServicerContext[Any, Any]
#: What reads a request, once its model is known.
Reader = Callable[[Choices, int], ImageRequest]


class ImagesServicer(images_pb2_grpc.ImagesServiceServicer):
    """Makes images with the models of a host."""

    def __init__(
        self, host: ModelHost[Painter], store: ImageStore, settings: ImagesSettings
    ) -> None:
        self._host = host
        self._store = store
        self._max_side = settings.max_side
        # A picture of a few kilobytes may take most of a gigabyte while it is opened.
        self._opening = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._sweep()

    async def Generate(
        self, request: images_pb2.GenerateRequest, context: Context
    ) -> AsyncIterator[images_pb2.GenerateResponse]:
        """Streams images that a prompt describes."""
        read = partial(generation, request)
        async with aclosing(
            self._made("image-generation", request.options, read, context)
        ) as events:
            async for event in events:
                yield images_pb2.GenerateResponse(event=event)

    async def Edit(
        self, request: images_pb2.EditRequest, context: Context
    ) -> AsyncIterator[images_pb2.EditResponse]:
        """Streams a picture's changed states."""
        read = partial(edit, request)
        async with aclosing(self._made("image-edit", request.options, read, context)) as events:
            async for event in events:
                yield images_pb2.EditResponse(event=event)

    async def Vary(
        self, request: images_pb2.VaryRequest, context: Context
    ) -> AsyncIterator[images_pb2.VaryResponse]:
        """Streams images like another."""
        read = partial(variation, request)
        async with aclosing(
            self._made("image-variation", request.options, read, context)
        ) as events:
            async for event in events:
                yield images_pb2.VaryResponse(event=event)

    async def GetFile(
        self, request: images_pb2.GetFileRequest, context: Context
    ) -> AsyncIterator[images_pb2.GetFileResponse]:
        """Streams a file that is kept."""
        file, opened = await asyncio.to_thread(self._store.open, request.file_id)
        with opened:
            info = images_pb2.FileInfo(
                media_type=file.media_type, size=file.size, expires_at=file.expires_at
            )
            yield images_pb2.GetFileResponse(file=info)
            while data := await asyncio.to_thread(opened.read, PART_BYTES):
                yield images_pb2.GetFileResponse(data=data)

    async def _made(
        self, task: Task, options: images_pb2.Options, read: Reader, context: Context
    ) -> AsyncGenerator[Event, None]:
        call = context_of(context)
        kind, quality = format_of(options)
        store = self._store if keeps(options) else None
        manifest = self._model(options.model, task)
        choices = choices_of(manifest)
        async with nullcontext() if task == "image-generation" else self._opening:
            asked = await worker.run(lambda _: read(choices, self._max_side))
        if store is not None:
            await worker.run(lambda _: store.check_room(call.key_id))
        async with self._host.lease(call, manifest.name, task=task, cost=asked.cost()) as leased:
            asked = replace(asked, priority=call.priority, timeout=call.timeout())

            def paint(cancelled: Cancellation) -> Iterator[Piece]:
                return leased.model.paint(asked, cancelled)

            answer = Answer(manifest.name, asked, kind, quality, store, call.key_id)
            async with worker.stream(paint, AHEAD) as pieces:
                async for piece in pieces:
                    for event in await worker.run(partial(answer.events, piece)):
                        yield event
        if store is not None:
            self._sweep()
        yield Event(finished=images_pb2.Finished(count=len(asked.seeds)))

    def _model(self, name: str, task: Task) -> Manifest:
        """The model asked for. Raises `ModelNotFound`, saying what to do where there is none."""
        registry = self._host.registry
        if not registry.list():
            registry.discover()
        try:
            return self._host.ready(name, task)
        except ModelNotFound as error:
            if registry.list():
                raise
            raise ModelNotFound(
                "No model for images is installed here. Orfeón brings none: put a model.yaml into "
                "the models folder of ORFEON_HOME as docs/images.md shows, and fetch it with "
                "'orfeon models pull'.",
                param="model",
            ) from error

    def _sweep(self) -> None:
        """Removes what has expired, and comes back when the next file does."""
        if self._timer is not None:
            self._timer.cancel()
        soonest = self._store.sweep()
        if soonest is not None:
            wait = max(1.0, soonest - time.time())
            self._timer = asyncio.get_running_loop().call_later(wait, self._sweep)


class Answer:
    """Images on their way: what the painter makes, as messages."""

    def __init__(
        self,
        model: str,
        request: ImageRequest,
        kind: FileFormat,
        quality: int | None,
        store: ImageStore | None,
        owner: str,
    ) -> None:
        self._model = model
        self._request = request
        self._kind = kind
        self._quality = quality
        self._store = store
        self._owner = owner
        self._begun = False

    def events(self, piece: Piece, _cancelled: Cancellation) -> list[Event]:
        """What is sent of the next thing made. Blocking."""
        begun = [] if self._begun else [Event(started=self._started())]
        self._begun = True
        match piece:
            case Step():
                progress = images_pb2.Progress(
                    image=piece.image, step=piece.step, steps=piece.steps
                )
                return [*begun, Event(progress=progress)]
            case Preview():
                data = self._file(piece)
                return [
                    *begun,
                    *(Event(partial_image=part) for part in self._parts(piece, data, piece.number)),
                ]
            case Painting():
                return [*begun, *self._finished(piece, self._file(piece))]

    def _started(self) -> images_pb2.Started:
        asked = self._request
        return images_pb2.Started(
            model=self._model,
            count=len(asked.seeds),
            width=asked.width,
            height=asked.height,
            steps=asked.steps,
            seed=asked.seeds[0],
        )

    def _finished(self, piece: Painting, data: bytes) -> list[Event]:
        if self._store is None:
            return [Event(image=part) for part in self._parts(piece, data)]
        kept = self._store.add(data, self._kind, self._owner)
        stored = images_pb2.StoredImage(
            index=piece.image,
            seed=self._request.seeds[piece.image],
            file_id=kept.id,
            expires_at=kept.expires_at,
        )
        return [Event(stored=stored)]

    def _file(self, piece: Preview | Painting) -> bytes:
        seed = self._request.seeds[piece.image]
        origin = Origin(self._model, seed, changed=self._request.image is not None)
        return written(piece.picture, self._kind, self._quality, origin)

    def _parts(
        self, piece: Preview | Painting, data: bytes, number: int = 0
    ) -> Iterator[images_pb2.Image]:
        for part, last in _parts(data):
            yield images_pb2.Image(
                index=piece.image,
                seed=self._request.seeds[piece.image],
                partial=number,
                data=part,
                last=last,
            )


def _parts(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """A file in parts, and whether each is the last."""
    for start in range(0, len(data), PART_BYTES):
        yield data[start : start + PART_BYTES], start + PART_BYTES >= len(data)
