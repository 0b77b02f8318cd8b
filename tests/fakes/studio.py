"""The services that songs are made with, scripted, over real gRPC on one address.

They do in milliseconds what takes the real ones seconds, unless they are told to hold.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import grpc
import numpy as np

from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from orfeon.api.lyrics.v1 import lyrics_pb2, lyrics_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from services.runtime.context import RequestContext, context_of
from services.runtime.encode import encoded
from services.runtime.errors import InvalidRequest
from services.runtime.interceptor import CallInterceptor
from services.runtime.models import NoModels
from services.runtime.telemetry import ServiceMetrics
from services.song.settings import Upstream

RATE = 44_100
#: Seconds of a piece whose length nobody asked for.
SECONDS = 12.0
LINES = ("I packed my bag at midnight", "the road is all I own")

#: What the lyrics service and the melody service know: two genres are in both.
WRITTEN = {"rock": ["en"], "pop": ["en", "es"], "sonnet": ["en"]}
PLAYED = ("rock", "pop", "blues")


@dataclass
class Script:
    """What the services do, and what they saw.

    `holding` are services that begin and do not go on until `released` is set. `errors` are raised
    first, one for each call. Without `notes` the composer takes any words for a genre, as MusicGen
    does. `noise` makes music that cannot be made small: 2 MB.
    """

    holding: set[Upstream] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    errors: dict[Upstream, list[Exception]] = field(default_factory=dict)
    lines: tuple[str, ...] = LINES
    scores: bool = True
    notes: bool = True
    noise: bool = False
    seconds: float = SECONDS
    requests: dict[Upstream, list[Any]] = field(default_factory=dict)
    contexts: list[RequestContext] = field(default_factory=list)
    voices: list[bytes] = field(default_factory=list)
    begun: dict[Upstream, asyncio.Event] = field(default_factory=dict)
    at_work: Counter[Upstream] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for name in get_args(Upstream):
            self.begun[name] = asyncio.Event()
            self.requests[name] = []

    @contextmanager
    def working(self, name: Upstream, request: Any, context: Any) -> Any:
        """One call of a service."""
        self.requests[name].append(request)
        self.contexts.append(context_of(context))
        self.at_work[name] += 1
        self.begun[name].set()
        try:
            if self.errors.get(name):
                raise self.errors[name].pop(0)
            yield
        finally:
            self.at_work[name] -= 1

    async def held(self, name: Upstream) -> None:
        """Waits, where the service is told to hold."""
        if name in self.holding:
            await self.released.wait()


class Lyrics(lyrics_pb2_grpc.LyricsServiceServicer):
    """Writes the script's lines into every section."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def WriteLyrics(
        self, request: lyrics_pb2.WriteLyricsRequest, context: Any
    ) -> AsyncIterator[lyrics_pb2.WriteLyricsResponse]:
        with self.script.working("lyrics", request, context):
            started = lyrics_pb2.Started(genre=request.genre, model="fake", language="en", seed=1)
            yield lyrics_pb2.WriteLyricsResponse(started=started)
            kinds = request.sections or [
                lyrics_pb2.SECTION_KIND_VERSE, lyrics_pb2.SECTION_KIND_CHORUS
            ]  # fmt: skip
            for section, kind in enumerate(kinds):
                for text in self.script.lines[: request.lines or None]:
                    line = lyrics_pb2.Line(section=section, kind=kind, text=text, syllables=6)
                    yield lyrics_pb2.WriteLyricsResponse(line=line)
                    await self.script.held("lyrics")
            yield lyrics_pb2.WriteLyricsResponse(finished=lyrics_pb2.Finished())


class Genres(NoModels):
    """Lists what lyrics are written in."""

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(
            models=[
                models_pb2.Model(
                    id=name, tasks=["lyrics"], languages=languages, is_default=name == "rock"
                )
                for name, languages in WRITTEN.items()
            ]
        )


class Melody(melody_pb2_grpc.MelodyServiceServicer):
    """Plays one low tone, and spreads the lines over it."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Compose(
        self, request: AsyncIterator[melody_pb2.ComposeRequest], context: Any
    ) -> AsyncIterator[melody_pb2.ComposeResponse]:
        asked = [message async for message in request]
        config = asked[0].config
        with self.script.working("melody", config, context):
            seconds = self.script.seconds
            if config.HasField("duration_seconds"):
                seconds = config.duration_seconds
            started = melody_pb2.Started(
                model="fake", genre=config.genre, seed=config.seed, duration_seconds=seconds,
                tempo=config.tempo or 96, key=config.key or "A minor",
            )  # fmt: skip
            if config.artifacts and not self.script.notes:
                raise InvalidRequest("This model writes no notes.", param="artifacts")
            yield melody_pb2.ComposeResponse(started=started)
            yield melody_pb2.ComposeResponse(progress=melody_pb2.Progress(done=0.5))
            await self.script.held("melody")
            flac = await asyncio.to_thread(_sound, seconds, self.script.noise)
            yield melody_pb2.ComposeResponse(audio=flac)
            names = ("melody.mid", "melody.musicxml", "stem-lead.flac", "stem-drums.flac")
            for name in names if config.artifacts else ():
                data = f"{name} {config.seed}".encode()
                part = melody_pb2.ArtifactPart(name=name, data=data)
                yield melody_pb2.ComposeResponse(artifact=part)
            if self.script.scores and config.artifacts:
                yield melody_pb2.ComposeResponse(score=_score(config, seconds))
            finished = melody_pb2.Finished(duration_seconds=seconds)
            yield melody_pb2.ComposeResponse(finished=finished)

    async def ListGenres(
        self, request: melody_pb2.ListGenresRequest, context: Any
    ) -> melody_pb2.ListGenresResponse:
        played = PLAYED if self.script.notes else ()
        genres = [melody_pb2.Genre(name=name, slowest=60, fastest=180) for name in played]
        return melody_pb2.ListGenresResponse(genres=genres)


class Speech(speech_pb2_grpc.SpeechServiceServicer):
    """Hums half a second, whatever it shall say."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Any
    ) -> AsyncIterator[speech_pb2.SynthesizeResponse]:
        with self.script.working("speech", request, context):
            await self.script.held("speech")
            times = np.arange(12_000) / 24_000
            hum = (9_000 * np.sin(2 * np.pi * 150 * times)).astype("<i2")
            yield speech_pb2.SynthesizeResponse(audio=hum.tobytes(), model="fake")


class Emotion(emotion_pb2_grpc.EmotionServiceServicer):
    """Hears sadness in everything."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Classify(
        self, request: AsyncIterator[emotion_pb2.ClassifyRequest], context: Any
    ) -> emotion_pb2.ClassifyResponse:
        voice = b"".join([message.audio async for message in request])
        with self.script.working("emotion", None, context):
            self.script.voices.append(voice)
            await self.script.held("emotion")
            labels = [("sad", 0.75), ("happy", 0.25)]
            return emotion_pb2.ClassifyResponse(
                model="fake",
                labels=[emotion_pb2.LabelScore(label=name, score=score) for name, score in labels],
                duration_seconds=1.0,
            )


@asynccontextmanager
async def serving(address: str, script: Script) -> AsyncIterator[None]:
    """Serves all of them on one address for as long as the block lasts."""
    server = grpc.aio.server(interceptors=[CallInterceptor(ServiceMetrics("fake", "0"))])
    lyrics_pb2_grpc.add_LyricsServiceServicer_to_server(Lyrics(script), server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(Genres("A stand-in."), server)
    melody_pb2_grpc.add_MelodyServiceServicer_to_server(Melody(script), server)
    # What songs do not ask for is left out.
    speech = Speech(script)  # type: ignore[abstract]
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(speech, server)
    emotion = Emotion(script)  # type: ignore[abstract]
    emotion_pb2_grpc.add_EmotionServiceServicer_to_server(emotion, server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


def _sound(seconds: float, noise: bool) -> bytes:
    times = np.arange(round(seconds * RATE), dtype=np.float32) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 110 * times)
    if noise:
        sound = np.random.default_rng(1).uniform(-0.5, 0.5, len(times))
    return encoded(np.stack([sound, sound[::-1]], axis=1).astype(np.float32), "flac", RATE)


def _score(config: melody_pb2.ComposeConfig, seconds: float) -> melody_pb2.Score:
    lines = [
        (at, line.syllables) for at, section in enumerate(config.sections) for line in section.lines
    ]
    each = seconds / max(1, len(lines))
    return melody_pb2.Score(
        lines=[
            melody_pb2.SungLine(
                section=section,
                notes=[
                    melody_pb2.SungNote(
                        pitch=60 + note % 5,
                        start=number * each + note * each / count,
                        end=number * each + (note + 1) * each / count,
                    )
                    for note in range(count)
                ],
            )
            for number, (section, count) in enumerate(lines)
        ]
    )
