"""Starts the emotion container: `python -m services.emotion`."""

from pathlib import Path

import grpc

from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from services.emotion.engine import EmotionModel
from services.emotion.fake_engine import FakeEmotionEngine
from services.emotion.servicer import EmotionServicer
from services.emotion.settings import EmotionSettings
from services.runtime.host import Engine, ModelHost
from services.runtime.server import Capability, run
from services.runtime.upload import Uploads


def whisper_head(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for Whisper encoders with a head."""
    from services.emotion.whisper_head_engine import WhisperHeadEngine

    return WhisperHeadEngine(device=settings.device, threads=settings.threads_per_slot)


def wav2vec2(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for classifiers of transformers."""
    from services.emotion.wav2vec2_engine import Wav2Vec2Engine

    return Wav2Vec2Engine(device=settings.device, threads=settings.threads_per_slot)


def triton(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine that has a Triton server compute."""
    from services.emotion.triton_engine import TritonEngine

    return TritonEngine(settings.triton_url, timeout=settings.triton_timeout)


def register(
    server: grpc.aio.Server, host: ModelHost[EmotionModel], settings: EmotionSettings
) -> None:
    """Adds the servicer."""
    uploads = Uploads(settings.max_audio_bytes, settings.upload_memory_bytes)
    servicer = EmotionServicer(host, uploads=uploads, max_seconds=settings.max_audio_seconds)
    emotion_pb2_grpc.add_EmotionServiceServicer_to_server(servicer, server)


EMOTION: Capability[EmotionModel, EmotionSettings] = Capability(
    name="emotion",
    service=emotion_pb2.DESCRIPTOR.services_by_name["EmotionService"].full_name,
    models=Path(__file__).parent / "models",
    engines={
        "whisper-head": whisper_head,
        "wav2vec2": wav2vec2,
        "triton": triton,
        "fake": lambda _settings: FakeEmotionEngine(),
    },
    register=register,
)

if __name__ == "__main__":
    run(EMOTION, EmotionSettings())
