"""The emotion contract: messages of the protocol <-> values of the container."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from io import BytesIO
from typing import BinaryIO

import grpc

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion import following, messages
from services.emotion.classification import SPEAKER_TASK, Classification, Embedding
from services.emotion.diarization import AudioModel, Voices
from services.emotion.engine import SAMPLE_RATE
from services.emotion.following import Follower, Streams, patiently, read_off
from services.emotion.hearing import Floats, Hearing, SpanTeller, Teller, WholeTeller
from services.emotion.listening import LIVE, Listener
from services.emotion.settings import EmotionSettings
from services.emotion.speakers import Conversation
from services.emotion.turns import TASK, Fallback, Lane, Paces, Turns
from services.emotion.voice_activity import Ear
from services.runtime import worker
from services.runtime.audio import AudioLimits, Pcm, seconds_of
from services.runtime.context import RequestContext, context_of
from services.runtime.errors import InvalidAudio, InvalidRequest, OrfeonError
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest
from services.runtime.upload import Uploads, audio_of

#: An ear for one recording or stream, such as a model needs.
Ears = Callable[[Manifest], Ear]

#: How long a recording of a known voice may be, seconds.
_KNOWN = AudioLimits(max_seconds=30.0)


class EmotionServicer(emotion_pb2_grpc.EmotionServiceServicer):
    """Listens with the models of a host."""

    def __init__(
        self,
        host: ModelHost[AudioModel],
        ears: Ears,
        stream_ears: Ears,
        settings: EmotionSettings,
    ) -> None:
        self._host = host
        self._ears = ears
        self._stream_ears = stream_ears
        self._uploads = Uploads(settings.max_audio_bytes, settings.upload_memory_bytes)
        self._limits = AudioLimits(settings.max_audio_seconds)
        self._stall = settings.stall_seconds
        self._streams = Streams(settings.max_streams)
        self._lane = Lane(host, wide=settings.fallback_slots, most=settings.max_fallbacks)
        self._paces = Paces()

    async def Classify(
        self,
        request_iterator: AsyncIterator[pb.ClassifyRequest],
        context: grpc.aio.ServicerContext[pb.ClassifyRequest, pb.ClassifyResponse],
    ) -> pb.ClassifyResponse:
        """Receives the recording, waits for a turn, and only then decodes it: that is work, too."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, self._check) as (config, file):
            work = self._classification(config, file, call)
            told = [segment async for segment in work.segments(file, self._limits)]
            conversation = await work.conversation()
        answer = _answer(work, conversation)
        answer.segments.extend(messages.segments(told, conversation))
        return answer

    async def Timeline(
        self,
        request_iterator: AsyncIterator[pb.TimelineRequest],
        context: grpc.aio.ServicerContext[pb.TimelineRequest, pb.TimelineResponse],
    ) -> AsyncIterator[pb.TimelineResponse]:
        """Streams the segments. Who speaks is known at the end alone, so segments do not say."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, self._check) as (config, file):
            config.timeline = not config.spans
            work = self._classification(config, file, call)
            async with aclosing(work.segments(file, self._limits)) as segments:
                async for segment in segments:
                    yield pb.TimelineResponse(segment=messages.segment(segment))
            conversation = await work.conversation()
        yield pb.TimelineResponse(finished=_answer(work, conversation))

    async def Follow(
        self,
        request_iterator: AsyncIterator[pb.FollowRequest],
        context: grpc.aio.ServicerContext[pb.FollowRequest, pb.FollowResponse],
    ) -> AsyncIterator[pb.FollowResponse]:
        """Listens until the client has sent everything."""
        call = context_of(context)
        parts = patiently(aiter(request_iterator), self._stall)
        try:
            async with aclosing(self._follow(parts, call)) as events:
                async for event in events:
                    yield event
        except OrfeonError:
            await read_off(parts)
            raise

    async def _follow(
        self, parts: AsyncIterator[pb.FollowRequest], call: RequestContext
    ) -> AsyncGenerator[pb.FollowResponse]:
        first = await anext(parts, None)
        if first is None or first.WhichOneof("part") != "config":
            raise InvalidRequest("The first message of the stream must hold `config`.")
        rate, channels = messages.stream_of(first.config)
        manifest = self._host.ready(first.config.model, TASK)
        async with self._streams.place():
            turns = self._turns(call, manifest, Fallback.NEVER, 0.0)
            listener = Listener(self._stream_ears(manifest), LIVE)
            follower = Follower(Pcm(rate, channels, SAMPLE_RATE), listener, turns, call)
            started = pb.FollowStarted(model=manifest.name, labels=manifest.labels)
            yield pb.FollowResponse(started=started)
            async for part in parts:
                following.check_size(data := audio_of(part), rate, channels)
                async for event in follower.feed(data):
                    yield messages.event(event)
            async for event in follower.finish():
                yield messages.event(event)
        finished = pb.FollowFinished(
            duration_seconds=listener.seconds, speech_seconds=listener.speech_seconds
        )
        yield pb.FollowResponse(finished=finished)

    async def Embed(
        self,
        request_iterator: AsyncIterator[pb.EmbedRequest],
        context: grpc.aio.ServicerContext[pb.EmbedRequest, pb.EmbedResponse],
    ) -> pb.EmbedResponse:
        """The mean over all that is said."""
        call = context_of(context)
        async with self._uploads.received(
            request_iterator, lambda config: self._host.ready(config.model, SPEAKER_TASK)
        ) as (config, file):
            embedding = Embedding(self._host, call, config.model)
            listener, voices = await self._listen(embedding, file, self._limits)
        return pb.EmbedResponse(
            model=embedding.model,
            values=_mean(voices).tolist(),
            duration_seconds=listener.seconds,
            speech_seconds=listener.speech_seconds,
        )

    async def Diarize(
        self,
        request_iterator: AsyncIterator[pb.DiarizeRequest],
        context: grpc.aio.ServicerContext[pb.DiarizeRequest, pb.DiarizeResponse],
    ) -> pb.DiarizeResponse:
        """Listens to the known voices first."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, self._check_diarize) as (config, file):
            embedding = Embedding(self._host, call, config.model)
            known = {
                speaker.name: await self._known(embedding, speaker, place)
                for place, speaker in enumerate(config.known)
            }
            listener, voices = await self._listen(embedding, file, self._limits)
            turns = await worker.run(
                lambda _cancelled: voices.turns(
                    listener.speech, count=config.speaker_count, known=known
                )
            )
        conversation = Conversation(turns)
        return pb.DiarizeResponse(
            model=embedding.model,
            duration_seconds=listener.seconds,
            speakers=messages.speakers(conversation),
            segments=messages.turns(conversation),
        )

    def _check(self, config: pb.ClassifyConfig) -> None:
        """Refuses before the recording is read what could be refused after."""
        messages.fallback_of(config)
        messages.spans_of(config, self._limits.max_seconds)
        self._host.ready(config.model, TASK)
        if config.speakers:
            self._host.ready("", SPEAKER_TASK)

    def _check_diarize(self, config: pb.DiarizeConfig) -> None:
        messages.check_diarize(config)
        self._host.ready(config.model, SPEAKER_TASK)

    def _classification(
        self, config: pb.ClassifyConfig, file: BinaryIO, call: RequestContext
    ) -> Classification:
        manifest = self._host.ready(config.model, TASK)
        spans = messages.spans_of(config, self._limits.max_seconds)
        teller: Teller
        if spans:
            teller = SpanTeller(manifest.labels, spans, self._limits.max_seconds)
        else:
            teller = WholeTeller(
                manifest.labels, timeline=config.timeline, speakers=config.speakers
            )
        hearing = Hearing(
            self._ears(manifest), manifest.labels, teller, call, voices=config.speakers
        )
        turns = self._turns(call, manifest, messages.fallback_of(config), seconds_of(file))
        return Classification(
            turns, hearing, Embedding(self._host, call) if config.speakers else None
        )

    def _turns(
        self, call: RequestContext, manifest: Manifest, fallback: Fallback, seconds: float
    ) -> Turns:
        return Turns(self._host, self._lane, self._paces, call, manifest, fallback, seconds)

    async def _known(self, embedding: Embedding, speaker: pb.KnownSpeaker, place: int) -> Floats:
        """The vector of a known voice. Raises `OrfeonError`, that voice as the field at fault."""
        try:
            _, voices = await self._listen(embedding, BytesIO(speaker.audio), _KNOWN)
            return _mean(voices)
        except OrfeonError as error:
            if error.param == "file":
                error.param = f"known[{place}]"
            raise

    async def _listen(
        self, embedding: Embedding, file: BinaryIO, limits: AudioLimits
    ) -> tuple[Listener, Voices]:
        ear = self._ears(self._host.registry.get(embedding.model))
        return await embedding.listen(file, limits, ear)


def _answer(work: Classification, conversation: Conversation | None) -> pb.ClassifyResponse:
    """All but the segments."""
    listener = work.hearing.listener
    return pb.ClassifyResponse(
        model=work.turns.manifest.name,
        labels=messages.labels(work.hearing.teller.whole),
        duration_seconds=listener.seconds,
        speech_seconds=listener.speech_seconds,
        speakers=messages.speakers(conversation) if conversation is not None else (),
        fallback_for=work.turns.fallback_for,
        timings=messages.timings(work.hearing.watch, work.turns.queue_seconds),
    )


def _mean(voices: Voices) -> Floats:
    """The vector of a voice. Raises `InvalidAudio` where there is none."""
    if (mean := voices.mean) is None:
        raise InvalidAudio(
            "Nobody speaks in the recording; send one of a voice, a few seconds long.", param="file"
        )
    return mean
