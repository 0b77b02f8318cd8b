"""The emotion contract: messages of the protocol <-> values of the engine."""

from collections.abc import AsyncIterator

import grpc

from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel
from services.runtime import worker
from services.runtime.audio import AudioLimits, decode, seconds_of
from services.runtime.context import context_of
from services.runtime.host import ModelHost
from services.runtime.upload import Uploads


class EmotionServicer(emotion_pb2_grpc.EmotionServiceServicer):
    """Classifies recordings with the models of a host."""

    def __init__(
        self, host: ModelHost[EmotionModel], *, uploads: Uploads, max_seconds: float
    ) -> None:
        self._host = host
        self._uploads = uploads
        self._limits = AudioLimits(max_seconds)

    async def Classify(
        self,
        request_iterator: AsyncIterator[emotion_pb2.ClassifyRequest],
        context: grpc.aio.ServicerContext[
            emotion_pb2.ClassifyRequest, emotion_pb2.ClassifyResponse
        ],
    ) -> emotion_pb2.ClassifyResponse:
        """Receives the recording, waits for a turn, and only then decodes it: that is work, too."""
        asked = context_of(context)
        async with (
            self._uploads.received(
                request_iterator,
                lambda config: self._host.ready(config.model, "classification"),
            ) as (config, file),
            self._host.lease(
                asked, config.model, task="classification", cost=seconds_of(file)
            ) as leased,
        ):
            samples = await worker.run(
                lambda cancelled: decode(file, SAMPLE_RATE, self._limits, lambda: cancelled.is_set)
            )
            clip = Clip(samples, asked.priority, asked.timeout())
            leased.spent(clip.seconds)
            scores = await worker.run(lambda cancelled: leased.model.classify(clip, cancelled))
            return emotion_pb2.ClassifyResponse(
                model=leased.manifest.name,
                labels=[
                    emotion_pb2.LabelScore(label=each.label, score=each.score) for each in scores
                ],
                duration_seconds=clip.seconds,
            )
