"""Starts the emotion container: `python -m services.emotion`."""

from pathlib import Path

import grpc

from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from services.emotion.diarization import AudioModel, SpeakerModel
from services.emotion.engine import EmotionModel
from services.emotion.fake_engine import FakeEmotionEngine
from services.emotion.servicer import Ears, EmotionServicer
from services.emotion.settings import EmotionSettings
from services.emotion.voice_activity import LoudnessEar
from services.runtime.environment import settings_of
from services.runtime.host import Engine, ModelHost
from services.runtime.server import Capability, run


def whisper_head(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for Whisper encoders with a head."""
    from services.emotion.whisper_head_engine import WhisperHeadEngine

    return WhisperHeadEngine(device=settings.device, threads=settings.threads_per_slot)


def wav2vec2(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for classifiers of transformers."""
    from services.emotion.wav2vec2_engine import Wav2Vec2Engine

    return Wav2Vec2Engine(device=settings.device, threads=settings.threads_per_slot)


def mel_head(_settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for heads without an encoder."""
    from services.emotion.mel_head_engine import MelHeadEngine

    return MelHeadEngine()


def speaker(settings: EmotionSettings) -> Engine[SpeakerModel]:
    """The engine for speaker encoders."""
    from services.emotion.speaker_engine import SpeakerEngine

    return SpeakerEngine(threads=settings.threads_per_slot)


def triton(settings: EmotionSettings) -> Engine[EmotionModel]:
    """The engine for classifiers that a Triton server has."""
    from services.emotion.triton_engine import triton

    return triton(settings)


def ears(settings: EmotionSettings) -> Ears:
    """How to listen for speech: by Silero's network; in a container without weights by loudness."""
    if settings.engine == "fake":
        return lambda _manifest: LoudnessEar()
    from services.emotion.silero_engine import Silero

    silero = Silero()
    return lambda manifest: silero.ear() if manifest.options.get("speech", True) else LoudnessEar()


def stream_ears(settings: EmotionSettings) -> Ears:
    """How to listen to live streams."""
    here = ears(settings)
    if settings.stream_ear == "here" or settings.engine == "fake":
        return here
    from services.emotion.remote_ear import remote_ear

    there = remote_ear(settings)
    return lambda manifest: there() if manifest.options.get("speech", True) else here(manifest)


def register(
    server: grpc.aio.Server, host: ModelHost[AudioModel], settings: EmotionSettings
) -> None:
    """Adds the servicer."""
    servicer = EmotionServicer(host, ears(settings), stream_ears(settings), settings)
    emotion_pb2_grpc.add_EmotionServiceServicer_to_server(servicer, server)


EMOTION: Capability[AudioModel, EmotionSettings] = Capability(
    name="emotion",
    service=emotion_pb2.DESCRIPTOR.services_by_name["EmotionService"].full_name,
    models=Path(__file__).parent / "models",
    engines={
        "whisper-head": whisper_head,
        "wav2vec2": wav2vec2,
        "mel-head": mel_head,
        "speaker": speaker,
        "triton": triton,
        "fake": lambda _settings: FakeEmotionEngine(),
    },
    register=register,
)

if __name__ == "__main__":
    run(EMOTION, settings_of(EmotionSettings))
