"""A melody service for tests of the gateway."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from tests.fakes.script import Script


class FakeMelody(melody_pb2_grpc.MelodyServiceServicer):
    """Sends the script's pieces as audio, half done after each, and every artifact asked for."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Compose(
        self, request: AsyncIterator[melody_pb2.ComposeRequest], context: Any
    ) -> AsyncIterator[melody_pb2.ComposeResponse]:
        config = melody_pb2.ComposeConfig()
        async for message in request:
            if message.WhichOneof("part") == "config":
                config = message.config
            else:
                self.script.audio.append(message.audio)
        started = melody_pb2.Started(
            model="melody-fake",
            genre=config.genre,
            seed=config.seed if config.HasField("seed") else 11,
            duration_seconds=config.duration_seconds or 30,
            tempo=config.tempo or 120,
            key=config.key or "C major",
        )
        if self.script.error is None or self.script.error_after:
            yield melody_pb2.ComposeResponse(started=started)
        async for piece in self.script.play(config, context):
            yield melody_pb2.ComposeResponse(progress=melody_pb2.Progress(done=0.5))
            if not config.silent:
                yield melody_pb2.ComposeResponse(audio=piece.encode())
        for kind in config.artifacts:
            for part in self._artifact(kind):
                yield part
        if self.script.finishes:
            finished = melody_pb2.Finished(duration_seconds=started.duration_seconds)
            yield melody_pb2.ComposeResponse(finished=finished)

    def _artifact(
        self, kind: "melody_pb2.ArtifactKind.ValueType"
    ) -> Iterator[melody_pb2.ComposeResponse]:
        if kind == melody_pb2.ARTIFACT_KIND_SCORE:
            note = melody_pb2.SungNote(pitch=60, start=0, end=0.5)
            line = melody_pb2.SungLine(section=0, notes=[note])
            yield melody_pb2.ComposeResponse(score=melody_pb2.Score(lines=[line]))
            return
        name, data = {
            melody_pb2.ARTIFACT_KIND_MIDI: ("melody.mid", b"MThd"),
            melody_pb2.ARTIFACT_KIND_MUSICXML: ("melody.musicxml", b"<score-partwise/>"),
            melody_pb2.ARTIFACT_KIND_STEMS: ("stem-lead.flac", b"lead"),
        }[kind]
        for part in (data[:2], data[2:]):
            artifact = melody_pb2.ArtifactPart(name=name, data=part)
            yield melody_pb2.ComposeResponse(artifact=artifact)

    async def ListGenres(
        self, request: melody_pb2.ListGenresRequest, context: Any
    ) -> melody_pb2.ListGenresResponse:
        rock = melody_pb2.Genre(name="rock", slowest=100, fastest=150)
        return melody_pb2.ListGenresResponse(genres=[rock])
