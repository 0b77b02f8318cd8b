"""Small capability services for tests of the gateway: scripted answers over real gRPC.

`python -m tests.fakes.upstreams ADDRESS` serves all of them, to be measured or killed; with `hold`
their streams do not end, with `mute` they do not even begin.
"""

import asyncio
import copy
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.api.lyrics.v1 import lyrics_pb2, lyrics_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from services.chat.answers import gathered
from services.runtime.endpoint import MAX_MESSAGE_BYTES
from services.runtime.errors import ModelNotFound
from services.runtime.interceptor import CallInterceptor
from services.runtime.telemetry import ServiceMetrics
from tests.fakes.emotion import FakeEmotion
from tests.fakes.melody import FakeMelody
from tests.fakes.script import Script

MODELS = [
    models_pb2.Model(
        id="fake-chat",
        aliases=["gpt-fake"],
        capability="chat",
        tasks=["chat"],
        created=1_760_000_000,
        owned_by="orfeon",
        licence="Apache-2.0",
        languages=["en"],
        context_length=2048,
        state=models_pb2.MODEL_STATE_LOADED,
        resident_bytes=1_000,
        is_default=True,
    ),
    models_pb2.Model(
        id="org/fake-voice",
        aliases=["tts-1"],
        capability="speech",
        tasks=["speech"],
        created=1_760_000_000,
        owned_by="orfeon",
        voices=["joe"],
        state=models_pb2.MODEL_STATE_UNLOADED,
    ),
    models_pb2.Model(
        id="melody-fake",
        aliases=["noises"],
        capability="melody",
        tasks=["music", "sound"],
        created=1_760_000_000,
        owned_by="orfeon",
        state=models_pb2.MODEL_STATE_UNLOADED,
    ),
]


class FakeChat(chat_pb2_grpc.ChatServiceServicer):
    """Says the script's pieces, as the text of every choice or as the arguments of a call."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def ChatCompletion(
        self, request: chat_pb2.ChatCompletionRequest, context: Any
    ) -> chat_pb2.ChatCompletionResponse:
        events = [event async for event in self._events(request, context)]
        return chat_pb2.ChatCompletionResponse(
            model="fake-chat",
            choices=gathered(events, request.options.choices or 1),
            usage=self._usage(),
        )

    async def StreamChatCompletion(
        self, request: chat_pb2.StreamChatCompletionRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamChatCompletionResponse]:
        async for event in self._events(request.completion, context):
            yield chat_pb2.StreamChatCompletionResponse(model="fake-chat", **_named(event))
        if self.script.finishes:
            yield chat_pb2.StreamChatCompletionResponse(model="fake-chat", usage=self._usage())

    async def Completion(
        self, request: chat_pb2.CompletionRequest, context: Any
    ) -> chat_pb2.CompletionResponse:
        events = [event async for event in self._events(request, context)]
        return chat_pb2.CompletionResponse(
            model="fake-chat", choices=gathered(events, _choices(request)), usage=self._usage()
        )

    async def StreamCompletion(
        self, request: chat_pb2.StreamCompletionRequest, context: Any
    ) -> AsyncIterator[chat_pb2.StreamCompletionResponse]:
        async for event in self._events(request.completion, context):
            yield chat_pb2.StreamCompletionResponse(model="fake-chat", **_named(event))
        if self.script.finishes:
            yield chat_pb2.StreamCompletionResponse(model="fake-chat", usage=self._usage())

    async def Embed(self, request: chat_pb2.EmbedRequest, context: Any) -> chat_pb2.EmbedResponse:
        async for _ in self.script.play(request, context):
            pass
        vector = chat_pb2.Embedding(values=[0.6, 0.0, 0.8])
        return chat_pb2.EmbedResponse(
            model="fake-chat", embeddings=[vector] * len(request.inputs), prompt_tokens=7
        )

    async def _events(
        self, request: chat_pb2.ChatCompletionRequest | chat_pb2.CompletionRequest, context: Any
    ) -> AsyncIterator[chat_pb2.Delta | chat_pb2.Finished]:
        if request.model not in ("", "fake-chat", "gpt-fake"):
            raise ModelNotFound("There is no such model here.", param="model")
        first = True
        async for piece in self.script.play(request, context):
            for choice in range(_choices(request)):
                yield self._delta(piece, choice, request.options, first)
            first = False
        reason = chat_pb2.FINISH_REASON_STOP
        if self.script.calls:
            reason = chat_pb2.FINISH_REASON_TOOL_CALLS
        for choice in range(_choices(request) if self.script.finishes else 0):
            yield chat_pb2.Finished(choice=choice, reason=reason)

    def _delta(
        self, piece: str, choice: int, options: chat_pb2.GenerationOptions, first: bool
    ) -> chat_pb2.Delta:
        delta = chat_pb2.Delta(choice=choice, generated=self.script.tokens)
        if self.script.calls:
            call = delta.tool_calls.add(arguments=piece)
            if first:
                call.id, call.name = "call_1", self.script.calls
        else:
            delta.text = piece
        if options.HasField("logprobs"):
            likely = chat_pb2.LikelyToken(token=b" other", logprob=-2)
            token = chat_pb2.Token(token=piece.encode(), logprob=-0.5)
            token.likeliest.extend([likely] * options.logprobs)
            delta.tokens.append(token)
        return delta

    def _usage(self) -> chat_pb2.Usage:
        return chat_pb2.Usage(
            prompt_tokens=7,
            cached_tokens=2,
            completion_tokens=len(self.script.pieces) * self.script.tokens,
        )


def _choices(request: chat_pb2.ChatCompletionRequest | chat_pb2.CompletionRequest) -> int:
    prompts = len(request.prompts) if isinstance(request, chat_pb2.CompletionRequest) else 1
    return prompts * (request.options.choices or 1)


def _named(event: chat_pb2.Delta | chat_pb2.Finished) -> dict[str, Any]:
    return {"delta" if isinstance(event, chat_pb2.Delta) else "finished": event}


class FakeLyrics(lyrics_pb2_grpc.LyricsServiceServicer):
    """Writes the script's pieces as the lines of one verse."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def WriteLyrics(
        self, request: lyrics_pb2.WriteLyricsRequest, context: Any
    ) -> AsyncIterator[lyrics_pb2.WriteLyricsResponse]:
        started = lyrics_pb2.Started(
            genre=request.genre or "rock",
            model="fake-chat",
            language=request.language or "en",
            seed=request.seed if request.HasField("seed") else 11,
        )
        if self.script.error is None or self.script.error_after:
            yield lyrics_pb2.WriteLyricsResponse(started=started)
        async for piece in self.script.play(request, context):
            line = lyrics_pb2.Line(
                section=0, kind=lyrics_pb2.SECTION_KIND_VERSE, text=piece, syllables=2
            )
            yield lyrics_pb2.WriteLyricsResponse(line=line)
        if self.script.finishes:
            finished = lyrics_pb2.Finished(
                prompt_tokens=7, completion_tokens=len(self.script.pieces) * self.script.tokens
            )
            yield lyrics_pb2.WriteLyricsResponse(finished=finished)


class FakeSpeech(speech_pb2_grpc.SpeechServiceServicer):
    """Sends the script's pieces as audio, or as segments of a second each, two words apart."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Any
    ) -> AsyncIterator[speech_pb2.SynthesizeResponse]:
        async for piece in self.script.play(request, context):
            yield speech_pb2.SynthesizeResponse(model="org/fake-voice", audio=piece.encode())

    async def Transcribe(
        self, request: AsyncIterator[speech_pb2.TranscribeRequest], context: Any
    ) -> AsyncIterator[speech_pb2.TranscribeResponse]:
        config: speech_pb2.TranscribeConfig | None = None
        async for message in request:
            if message.WhichOneof("part") == "config":
                config = message.config
            else:
                self.script.audio.append(message.audio)
        started = speech_pb2.TranscriptStarted(
            model="whisper-fake", language="es", language_probability=0.9, duration_seconds=3.5
        )
        if self.script.error is None or self.script.error_after:
            yield speech_pb2.TranscribeResponse(started=started)
        number = 0
        async for piece in self.script.play(config, context):
            word = speech_pb2.Word(word=piece, start=number, end=number + 0.5, probability=1)
            segment = speech_pb2.Segment(
                id=number, start=number, end=number + 1, text=piece, tokens=[1, 2], words=[word]
            )
            yield speech_pb2.TranscribeResponse(segment=segment)
            number += 1
        yield speech_pb2.TranscribeResponse(finished=speech_pb2.TranscriptFinished())

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: Any
    ) -> speech_pb2.ListVoicesResponse:
        voice = speech_pb2.Voice(id="joe", model="org/fake-voice", language="en-US")
        return speech_pb2.ListVoicesResponse(voices=[voice])


class FakeModels(models_pb2_grpc.ModelServiceServicer):
    """Lists the models above, and says what is loaded and unloaded."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.models = [copy.deepcopy(model) for model in MODELS]

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(models=self.models)

    async def LoadModel(
        self, request: models_pb2.LoadModelRequest, context: Any
    ) -> models_pb2.LoadModelResponse:
        async for _ in self.script.play(request, context):
            pass
        model = self._find(request.id)
        model.state, model.device = models_pb2.MODEL_STATE_LOADED, "cpu"
        model.resident_bytes, model.loaded_at = 1_000, 1_760_000_100
        if request.HasField("pinned"):
            model.pinned = request.pinned
        return models_pb2.LoadModelResponse(model=model)

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: Any
    ) -> models_pb2.UnloadModelResponse:
        model = self._find(request.id)
        model.state, model.device = models_pb2.MODEL_STATE_UNLOADED, ""
        model.resident_bytes = model.loaded_at = 0
        return models_pb2.UnloadModelResponse(model=model)

    def _find(self, name: str) -> models_pb2.Model:
        return next(model for model in self.models if model.id == name)


class FakeQueue(queue_pb2_grpc.QueueServiceServicer):
    """Shows the script's queue."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def ListQueue(
        self, request: queue_pb2.ListQueueRequest, context: Any
    ) -> queue_pb2.ListQueueResponse:
        return queue_pb2.ListQueueResponse(entries=self.script.queue)


@asynccontextmanager
async def serving(
    address: str, script: Script, *, ready: bool = True
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Serves every fake on one address; what it yields stops the server at once."""
    server = grpc.aio.server(
        interceptors=[CallInterceptor(ServiceMetrics("fake", "0"))],
        options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)],
    )
    chat_pb2_grpc.add_ChatServiceServicer_to_server(FakeChat(script), server)
    lyrics_pb2_grpc.add_LyricsServiceServicer_to_server(FakeLyrics(script), server)
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(FakeSpeech(script), server)
    emotion_pb2_grpc.add_EmotionServiceServicer_to_server(FakeEmotion(script), server)
    melody_pb2_grpc.add_MelodyServiceServicer_to_server(FakeMelody(script), server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(FakeModels(script), server)
    queue_pb2_grpc.add_QueueServiceServicer_to_server(FakeQueue(script), server)
    health = aio_health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    status = health_pb2.HealthCheckResponse
    await health.set("", status.SERVING if ready else status.NOT_SERVING)
    server.add_insecure_port(address)
    await server.start()

    async def stop() -> None:
        await server.stop(None)

    try:
        yield stop
    finally:
        await stop()


async def _main(address: str, *manners: str) -> None:
    script = Script(hold=bool(manners))
    if "mute" in manners:
        script.pieces = []
    async with serving(address, script):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
