"""The speech contract: messages of the protocol <-> values of the engines."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import cast

import grpc

from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from services.runtime import worker
from services.runtime.audio import AudioLimits, decode, seconds_of
from services.runtime.context import context_of
from services.runtime.encode import AudioFormat, Encoder
from services.runtime.errors import InvalidRequest
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest
from services.runtime.upload import Uploads
from services.runtime.worker import Cancellation
from services.speech.choices import check_style, language_of, language_of_voice, speech_request
from services.speech.engine import (
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechModel,
    SpeechRequest,
    Started,
    Synthesizer,
    Task,
    Transcriber,
    TranscriptionRequest,
)

#: Of speech at normal speed, for estimates alone.
CHARACTERS_PER_SECOND = 15

_FORMATS: dict[int, AudioFormat] = {
    speech_pb2.AUDIO_FORMAT_UNSPECIFIED: "mp3",
    speech_pb2.AUDIO_FORMAT_MP3: "mp3",
    speech_pb2.AUDIO_FORMAT_OPUS: "opus",
    speech_pb2.AUDIO_FORMAT_AAC: "aac",
    speech_pb2.AUDIO_FORMAT_FLAC: "flac",
    speech_pb2.AUDIO_FORMAT_WAV: "wav",
    speech_pb2.AUDIO_FORMAT_PCM: "pcm",
}
_TASKS: dict[int, Task] = {
    speech_pb2.TASK_UNSPECIFIED: "transcription",
    speech_pb2.TASK_TRANSCRIBE: "transcription",
    speech_pb2.TASK_TRANSLATE: "translation",
}


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """Speaks and listens with the models of a host."""

    def __init__(self, host: ModelHost[SpeechModel], uploads: Uploads, limits: AudioLimits) -> None:
        self._host = host
        self._uploads = uploads
        self._limits = limits

    async def Synthesize(
        self,
        request: speech_pb2.SynthesizeRequest,
        context: grpc.aio.ServicerContext[
            speech_pb2.SynthesizeRequest, speech_pb2.SynthesizeResponse
        ],
    ) -> AsyncIterator[speech_pb2.SynthesizeResponse]:
        """Streams the file."""
        manifest = self._host.registry.resolve(request.model, "speech")
        asked, file_format = speech_request_of(request, manifest)
        call = context_of(context)
        seconds = len(asked.text) / CHARACTERS_PER_SECOND / asked.speed
        async with self._host.lease(call, manifest.name, task="speech", cost=seconds) as leased:
            # The task decides what kind of model is leased; types cannot say so.
            model = cast(Synthesizer, leased.model)

            urgent = replace(asked, priority=call.priority, timeout=call.timeout())

            def speak(cancelled: Cancellation) -> Iterator[bytes]:
                return _encoded(model.synthesize(urgent, cancelled), file_format)

            async with worker.stream(speak) as parts:
                async for part in parts:
                    yield speech_pb2.SynthesizeResponse(audio=part, model=manifest.name)

    async def Transcribe(
        self,
        request_iterator: AsyncIterator[speech_pb2.TranscribeRequest],
        context: grpc.aio.ServicerContext[
            speech_pb2.TranscribeRequest, speech_pb2.TranscribeResponse
        ],
    ) -> AsyncIterator[speech_pb2.TranscribeResponse]:
        """Streams the transcript."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, self._check) as (config, file):
            task = task_of(config)
            manifest = self._host.registry.resolve(config.model, task)
            language = language_of(manifest, config.language)
            async with self._host.lease(
                call, manifest.name, task=task, cost=seconds_of(file)
            ) as leased:
                model = cast(Transcriber, leased.model)
                samples = await worker.run(
                    lambda cancelled: decode(
                        file, TRANSCRIBER_RATE, self._limits, lambda: cancelled.is_set
                    )
                )
                leased.spent(samples.size / TRANSCRIBER_RATE)
                asked = TranscriptionRequest(
                    samples,
                    task,
                    language,
                    config.prompt,
                    temperature_of(config),
                    config.word_timestamps,
                    call.priority,
                    call.timeout(),
                )

                def listen(cancelled: Cancellation) -> Iterator[Started | Segment]:
                    return model.transcribe(asked, cancelled)

                async with worker.stream(listen) as parts:
                    async for part in parts:
                        yield _response(manifest.name, part)
        yield speech_pb2.TranscribeResponse(finished=speech_pb2.TranscriptFinished())

    def _check(self, config: speech_pb2.TranscribeConfig) -> None:
        """Refuses before the recording is read what could be refused after."""
        language_of(self._host.ready(config.model, task_of(config)), config.language)

    async def ListVoices(
        self,
        request: speech_pb2.ListVoicesRequest,
        context: grpc.aio.ServicerContext[
            speech_pb2.ListVoicesRequest, speech_pb2.ListVoicesResponse
        ],
    ) -> speech_pb2.ListVoicesResponse:
        """Every voice, without the aliases."""
        registry = self._host.registry
        manifests = (
            [registry.resolve(request.model, "speech")] if request.model else registry.list()
        )
        voices = [
            speech_pb2.Voice(
                id=voice, model=manifest.name, language=language_of_voice(manifest, voice)
            )
            for manifest in sorted(manifests, key=lambda manifest: manifest.name)
            for voice in sorted(manifest.voices)
        ]
        return speech_pb2.ListVoicesResponse(voices=voices)


def speech_request_of(
    request: speech_pb2.SynthesizeRequest, manifest: Manifest
) -> tuple[SpeechRequest, AudioFormat]:
    """The values of a request. Raises `InvalidRequest` naming the field at fault."""
    speed = request.speed if request.HasField("speed") else 1.0
    asked = speech_request(manifest, request.input, request.voice, speed)
    file_format = _FORMATS.get(request.format)
    if file_format is None:
        raise InvalidRequest(
            f"response_format must be one of {', '.join(sorted(set(_FORMATS.values())))}.",
            param="response_format",
        )
    return asked, file_format


def task_of(config: speech_pb2.TranscribeConfig) -> Task:
    """What to write, other fields checked. Raises `InvalidRequest` naming the field at fault."""
    check_style(config.prompt, temperature_of(config))
    if config.task not in _TASKS:
        raise InvalidRequest("task must be transcribe or translate.", param="task")
    return _TASKS[config.task]


def temperature_of(config: speech_pb2.TranscribeConfig) -> float | None:
    """None where the model is to choose."""
    return config.temperature if config.HasField("temperature") else None


def _encoded(parts: Iterator[Samples], file_format: AudioFormat) -> Iterator[bytes]:
    encoder = Encoder(file_format)
    for samples in parts:
        if data := encoder.feed(samples):
            yield data
    if rest := encoder.finish():
        yield rest


def _response(model: str, part: Started | Segment) -> speech_pb2.TranscribeResponse:
    if isinstance(part, Started):
        started = speech_pb2.TranscriptStarted(
            model=model,
            language=part.language,
            language_probability=part.language_probability,
            duration_seconds=part.duration,
        )
        return speech_pb2.TranscribeResponse(started=started)
    segment = speech_pb2.Segment(
        id=part.id,
        seek=part.seek,
        start=part.start,
        end=part.end,
        text=part.text,
        tokens=part.tokens,
        temperature=part.temperature,
        avg_logprob=part.avg_logprob,
        compression_ratio=part.compression_ratio,
        no_speech_prob=part.no_speech_prob,
        words=[
            speech_pb2.Word(
                word=word.text, start=word.start, end=word.end, probability=word.probability
            )
            for word in part.words
        ],
    )
    return speech_pb2.TranscribeResponse(segment=segment)
