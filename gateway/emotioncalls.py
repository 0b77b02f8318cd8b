"""Calls on the emotion service, asked again where it dies."""

from collections.abc import AsyncGenerator, Iterable
from typing import Protocol

from gateway.calls import Calls
from gateway.classifying import heard
from gateway.retry import Retries
from gateway.schemas.classification import Heard
from gateway.uploads import Recording, parts
from gateway.upstreams import Upstreams
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.context import RequestContext


class EmotionCalls:
    """What the emotion service can be asked about a recording. All raise `OrfeonError`."""

    def __init__(self, upstreams: Upstreams, retries: Retries) -> None:
        self._upstreams = upstreams
        self._calls = Calls("emotion", retries)

    async def classify(
        self, config: emotion_pb2.ClassifyConfig, recording: Recording, context: RequestContext
    ) -> emotion_pb2.ClassifyResponse:
        """What is heard in it."""
        answer: emotion_pb2.ClassifyResponse = await self._calls.ask(
            context,
            lambda **call: self._upstreams.emotion.Classify(
                parts(emotion_pb2.ClassifyRequest, config, recording), **call
            ),
        )
        return answer

    def timeline(
        self, config: emotion_pb2.ClassifyConfig, recording: Recording, context: RequestContext
    ) -> AsyncGenerator[emotion_pb2.TimelineResponse, None]:
        """How it goes, as soon as it is known."""
        return self._calls.follow(
            context,
            lambda **call: self._upstreams.emotion.Timeline(
                parts(emotion_pb2.TimelineRequest, config, recording), **call
            ),
        )

    async def embed(
        self, config: emotion_pb2.EmbedConfig, recording: Recording, context: RequestContext
    ) -> emotion_pb2.EmbedResponse:
        """The vector of the voice in it."""
        answer: emotion_pb2.EmbedResponse = await self._calls.ask(
            context,
            lambda **call: self._upstreams.emotion.Embed(
                parts(emotion_pb2.EmbedRequest, config, recording), **call
            ),
        )
        return answer

    async def diarize(
        self, config: emotion_pb2.DiarizeConfig, recording: Recording, context: RequestContext
    ) -> emotion_pb2.DiarizeResponse:
        """Who speaks when in it."""
        answer: emotion_pb2.DiarizeResponse = await self._calls.ask(
            context,
            lambda **call: self._upstreams.emotion.Diarize(
                parts(emotion_pb2.DiarizeRequest, config, recording), **call
            ),
        )
        return answer


class Timed(Protocol):
    """A stretch of a recording; times in seconds."""

    @property
    def start(self) -> float:
        """When it starts."""

    @property
    def end(self) -> float:
        """When it ends."""


async def emotions_of(
    calls: EmotionCalls, segments: Iterable[Timed], recording: Recording, context: RequestContext
) -> "list[Heard | None]":
    """What the voice tells in each stretch of a recording; None where nobody speaks."""
    spans = [emotion_pb2.Span(start=one.start, end=one.end) for one in segments]
    asked = [place for place, span in enumerate(spans) if span.end > span.start]
    felt: list[Heard | None] = [None] * len(spans)
    if asked:
        config = emotion_pb2.ClassifyConfig(spans=[spans[place] for place in asked])
        answer = await calls.classify(config, recording, context)
        for place, segment in zip(asked, answer.segments, strict=True):
            felt[place] = heard(segment.labels) if segment.labels else None
    return felt
