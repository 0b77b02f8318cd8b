"""A small emotion service: hears happiness in everything, or nobody where its script is empty."""

from collections.abc import AsyncIterator
from typing import Any

from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from tests.fakes.script import Script

LABELS = [
    emotion_pb2.LabelScore(label="happy", score=0.75),
    emotion_pb2.LabelScore(label="sad", score=0.25),
]
SPANS = [emotion_pb2.Span(start=0, end=0.5), emotion_pb2.Span(start=1, end=1.5)]
#: Bytes of one second of a live stream, as the fake counts them.
SECOND = 320


class FakeEmotion(emotion_pb2_grpc.EmotionServiceServicer):
    """Answers with fixed labels, two speakers and a vector of three numbers."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Classify(
        self, request: AsyncIterator[emotion_pb2.ClassifyRequest], context: Any
    ) -> emotion_pb2.ClassifyResponse:
        return await self._classified(request, context)

    async def Timeline(
        self, request: AsyncIterator[emotion_pb2.TimelineRequest], context: Any
    ) -> AsyncIterator[emotion_pb2.TimelineResponse]:
        config = await self._heard(request)
        number = 0
        async for _ in self.script.play(config, context):
            segment = emotion_pb2.Segment(start=number, end=number + 1, labels=self._labels())
            yield emotion_pb2.TimelineResponse(segment=segment)
            number += 1
        if self.script.finishes:
            yield emotion_pb2.TimelineResponse(finished=self._answer(config))

    async def Follow(
        self, request: AsyncIterator[emotion_pb2.FollowRequest], context: Any
    ) -> AsyncIterator[emotion_pb2.FollowResponse]:
        first = await anext(request)
        async for _ in self.script.play(first.config, context):
            break
        started = emotion_pb2.FollowStarted(model="emotion-fake", labels=["happy", "sad"])
        yield emotion_pb2.FollowResponse(started=started)
        seconds, heard = 0, 0
        with self.script.noticing():
            async for message in request:
                self.script.audio.append(message.audio)
                heard += len(message.audio)
                while heard >= (seconds + 1) * SECOND:
                    yield self._event(seconds)
                    seconds += 1
        stopped = emotion_pb2.SpeechStopped(at=seconds, segment=self._segment(0, seconds))
        yield emotion_pb2.FollowResponse(speech_stopped=stopped)
        finished = emotion_pb2.FollowFinished(duration_seconds=seconds, speech_seconds=seconds)
        yield emotion_pb2.FollowResponse(finished=finished)

    async def Embed(
        self, request: AsyncIterator[emotion_pb2.EmbedRequest], context: Any
    ) -> emotion_pb2.EmbedResponse:
        config = await self._heard(request)
        async for _ in self.script.play(config, context):
            pass
        return emotion_pb2.EmbedResponse(
            model="speaker-fake", values=[0.6, 0.0, 0.8], duration_seconds=1.5, speech_seconds=1
        )

    async def Diarize(
        self, request: AsyncIterator[emotion_pb2.DiarizeRequest], context: Any
    ) -> emotion_pb2.DiarizeResponse:
        config = await self._heard(request)
        async for _ in self.script.play(config, context):
            pass
        name = config.known[0].name if config.known else "A"
        return emotion_pb2.DiarizeResponse(
            model="speaker-fake",
            duration_seconds=1.5,
            speakers=[emotion_pb2.Speaker(id=name, seconds=1, spans=SPANS)],
            segments=[
                emotion_pb2.Segment(start=span.start, end=span.end, speaker=name) for span in SPANS
            ],
        )

    async def _classified(self, request: Any, context: Any) -> emotion_pb2.ClassifyResponse:
        config = await self._heard(request)
        async for _ in self.script.play(config, context):
            pass
        answer = self._answer(config)
        if config.timeline:
            answer.segments.append(self._segment(0, 1.5))
        for place, span in enumerate(config.spans):
            labels = [] if place == 1 else self._labels()
            answer.segments.add(start=span.start, end=span.end, labels=labels)
        return answer

    async def _heard(self, request: Any) -> Any:
        config = None
        async for message in request:
            if message.WhichOneof("part") == "config":
                config = message.config
            else:
                self.script.audio.append(message.audio)
        return config

    def _answer(self, config: emotion_pb2.ClassifyConfig) -> emotion_pb2.ClassifyResponse:
        answer = emotion_pb2.ClassifyResponse(
            model="emotion-fake",
            labels=self._labels(),
            duration_seconds=1.5,
            speech_seconds=1 if self.script.pieces else 0,
            timings=emotion_pb2.Timings(
                queue_seconds=0.001, decode_seconds=0.002, inference_seconds=0.003
            ),
        )
        if config.fallback == emotion_pb2.FALLBACK_ALWAYS:
            answer.model, answer.fallback_for = "emotion-fast", "emotion-fake"
        if config.speakers:
            answer.speakers.add(id="A", seconds=1, spans=SPANS, labels=self._labels())
        return answer

    def _event(self, second: int) -> emotion_pb2.FollowResponse:
        if second == 0:
            return emotion_pb2.FollowResponse(speech_started=emotion_pb2.SpeechStarted(at=second))
        heard = emotion_pb2.EmotionHeard(
            segment=self._segment(second - 1, second), delay_seconds=0.25
        )
        return emotion_pb2.FollowResponse(emotion=heard)

    def _segment(self, start: float, end: float) -> emotion_pb2.Segment:
        return emotion_pb2.Segment(start=start, end=end, labels=self._labels())

    def _labels(self) -> list[emotion_pb2.LabelScore]:
        return LABELS if self.script.pieces else []
