"""Starts the speech container: `python -m services.speech`."""

from pathlib import Path

import grpc

from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from services.runtime.audio import AudioLimits
from services.runtime.environment import settings_of
from services.runtime.host import Engine, ModelHost
from services.runtime.server import Capability, run
from services.runtime.upload import Uploads
from services.speech.engine import SpeechModel
from services.speech.fake_engine import FakeSpeechEngine
from services.speech.servicer import SpeechServicer
from services.speech.settings import SpeechSettings


def whisper(settings: SpeechSettings) -> Engine[SpeechModel]:
    """The engine for Whisper models."""
    from services.speech.faster_whisper_engine import FasterWhisperEngine

    return FasterWhisperEngine(
        threads=settings.threads_per_slot,
        workers=settings.slots,
        device=settings.device,
        compute_type=settings.compute_type,
    )


def piper(settings: SpeechSettings) -> Engine[SpeechModel]:
    """The engine for Piper voices."""
    from services.speech.piper_engine import PiperEngine

    return PiperEngine(settings.threads_per_slot)


def bark(settings: SpeechSettings) -> Engine[SpeechModel]:
    """The engine for Bark models."""
    from services.speech.bark_engine import BarkEngine

    return BarkEngine(device=settings.device, threads=settings.threads_per_slot)


def triton(settings: SpeechSettings) -> Engine[SpeechModel]:
    """The engine for models that a Triton server has."""
    from services.speech.triton_engine import triton

    return triton(settings)


def register(
    server: grpc.aio.Server, host: ModelHost[SpeechModel], settings: SpeechSettings
) -> None:
    """Adds the servicer."""
    uploads = Uploads(settings.max_audio_bytes, settings.upload_memory_bytes)
    limits = AudioLimits(settings.max_audio_seconds)
    servicer = SpeechServicer(host, uploads, limits)
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(servicer, server)


SPEECH: Capability[SpeechModel, SpeechSettings] = Capability(
    name="speech",
    service=speech_pb2.DESCRIPTOR.services_by_name["SpeechService"].full_name,
    models=Path(__file__).parent / "models",
    engines={
        "faster-whisper": whisper,
        "piper": piper,
        "bark": bark,
        "triton": triton,
        "fake": lambda _settings: FakeSpeechEngine(),
    },
    register=register,
)

if __name__ == "__main__":
    run(SPEECH, settings_of(SpeechSettings))
