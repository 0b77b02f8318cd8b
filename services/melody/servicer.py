"""The melody contract: messages of the protocol <-> values of the musicians."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import grpc
import numpy as np
from numpy.typing import NDArray

from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from services.melody.engine import (
    TUNE_RATE,
    Musician,
    Notation,
    Piece,
    Progress,
    Score,
    Sound,
    Started,
    Stem,
)
from services.melody.requests import (
    audible,
    format_of,
    genres_of,
    request_of,
    seconds_of,
    task_of,
)
from services.runtime import worker
from services.runtime.audio import AudioLimits, decode
from services.runtime.context import context_of
from services.runtime.encode import AudioFormat, Encoder, WholeFile
from services.runtime.host import ModelHost
from services.runtime.upload import Uploads
from services.runtime.worker import Cancellation

#: Bytes of a file that one message carries.
PART_BYTES = 128 * 1024
#: Pieces made while another is encoded. A whole part may be one, so there are never many.
AHEAD = 1

Response = melody_pb2.ComposeResponse


class MelodyServicer(melody_pb2_grpc.MelodyServiceServicer):
    """Makes music with the models of a host."""

    def __init__(self, host: ModelHost[Musician], uploads: Uploads, limits: AudioLimits) -> None:
        self._host = host
        self._uploads = uploads
        self._limits = limits

    async def Compose(
        self,
        request_iterator: AsyncIterator[melody_pb2.ComposeRequest],
        context: grpc.aio.ServicerContext[melody_pb2.ComposeRequest, Response],
    ) -> AsyncIterator[Response]:
        """Streams the piece."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, self._check) as (config, file):
            task, file_format = task_of(config), format_of(config)
            manifest = self._host.registry.resolve(config.model, task)
            asked = request_of(config, manifest)
            async with self._host.lease(
                call, manifest.name, task=task, cost=seconds_of(asked)
            ) as leased:
                tune = await self._tune(file)
                asked = replace(asked, tune=tune, priority=call.priority, timeout=call.timeout())

                def compose(cancelled: Cancellation) -> Iterator[Piece]:
                    return leased.model.compose(asked, cancelled)

                answer = Answer(manifest.name, asked.seed, file_format)
                async with worker.stream(compose, AHEAD) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Started):
                            leased.spent(piece.seconds)
                        for message in await worker.run(partial(answer.messages, piece)):
                            yield message
                for message in await worker.run(answer.end):
                    yield message

    def _check(self, config: melody_pb2.ComposeConfig) -> None:
        """Refuses before a recording is read what could be refused after."""
        format_of(config)
        request_of(config, self._host.ready(config.model, task_of(config)))

    async def _tune(self, file: BinaryIO) -> NDArray[np.float32] | None:
        """The recording to follow, if there is one."""
        if not file.read(1):
            return None
        return await worker.run(
            lambda cancelled: audible(
                decode(file, TUNE_RATE, self._limits, lambda: cancelled.is_set)
            )
        )

    async def ListGenres(
        self,
        request: melody_pb2.ListGenresRequest,
        context: grpc.aio.ServicerContext[
            melody_pb2.ListGenresRequest, melody_pb2.ListGenresResponse
        ],
    ) -> melody_pb2.ListGenresResponse:
        """The genres of one model, whether it is in memory or not."""
        genres = genres_of(self._host.registry.resolve(request.model, "music"))
        return melody_pb2.ListGenresResponse(
            genres=[
                melody_pb2.Genre(name=genre.name, slowest=genre.slowest, fastest=genre.fastest)
                for genre in genres
            ]
        )


class Answer:
    """One piece of music on its way: what the musician makes, as messages."""

    def __init__(self, model: str, seed: int, file_format: AudioFormat) -> None:
        self._model = model
        self._seed = seed
        self._format = file_format
        self._started: Started | None = None
        self._encoder: Encoder | None = None
        self._stem: tuple[str, WholeFile] | None = None

    def messages(self, piece: Piece, _cancelled: Cancellation) -> list[Response]:
        """What is sent of the next thing made. Blocking."""
        match piece:
            case Started():
                self._started = piece
                return [Response(started=self._opening(piece))]
            case Progress():
                return [Response(progress=melody_pb2.Progress(done=min(max(piece.done, 0.0), 1.0)))]
            case Sound():
                return _audio(self._encode(piece))
            case Stem():
                return self._stem_fed(piece)
            case Notation():
                return _artifact(piece.name, piece.data)
            case Score():
                return [Response(score=_score(piece))]

    def end(self, _cancelled: Cancellation) -> list[Response]:
        """The rest of the file, and the last message. Blocking."""
        rest = self._stem_ended()
        if self._encoder is not None:
            rest += _audio(self._encoder.finish())
        if self._started is not None:
            finished = melody_pb2.Finished(duration_seconds=self._started.seconds)
            rest.append(Response(finished=finished))
        return rest

    @property
    def _shape(self) -> tuple[int, int]:
        """Rate and channels."""
        assert self._started is not None, "a musician begins with Started"
        return self._started.rate, self._started.channels

    def _encode(self, sound: Sound) -> bytes:
        if self._encoder is None:
            self._encoder = Encoder(self._format, *self._shape)
        return self._encoder.feed(sound.samples)

    def _stem_fed(self, piece: Stem) -> list[Response]:
        """More of a part; where it is another one, the file of the part before."""
        before = (
            [] if self._stem is not None and self._stem[0] == piece.part else self._stem_ended()
        )
        if self._stem is None:
            self._stem = (piece.part, WholeFile(self._format, *self._shape))
        self._stem[1].feed(piece.samples)
        return before

    def _stem_ended(self) -> list[Response]:
        """The file of the part that nothing more comes of."""
        if self._stem is None:
            return []
        (part, file), self._stem = self._stem, None
        return _artifact(f"stem-{part}.{self._format}", file.finish())

    def _opening(self, started: Started) -> melody_pb2.Started:
        return melody_pb2.Started(
            model=self._model,
            genre=started.genre,
            seed=self._seed,
            duration_seconds=started.seconds,
            tempo=started.tempo,
            key=started.key,
        )


def _audio(data: bytes) -> list[Response]:
    return [Response(audio=part) for part in _parts(data)]


def _artifact(name: str, data: bytes) -> list[Response]:
    return [
        Response(artifact=melody_pb2.ArtifactPart(name=name, data=part)) for part in _parts(data)
    ]


def _parts(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PART_BYTES):
        yield data[start : start + PART_BYTES]


def _score(score: Score) -> melody_pb2.Score:
    return melody_pb2.Score(
        lines=[
            melody_pb2.SungLine(
                section=line.section,
                notes=[
                    melody_pb2.SungNote(pitch=note.pitch, start=note.start, end=note.end)
                    for note in line.notes
                ],
            )
            for line in score.lines
        ]
    )
