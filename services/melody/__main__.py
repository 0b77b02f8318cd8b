"""Starts the melody container: `python -m services.melody`."""

from pathlib import Path

import grpc

from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from services.melody.engine import Musician
from services.melody.fake_engine import FakeMelodyEngine
from services.melody.servicer import MelodyServicer
from services.melody.settings import MelodySettings
from services.runtime.audio import AudioLimits
from services.runtime.environment import settings_of
from services.runtime.host import Engine, ModelHost
from services.runtime.server import Capability, run
from services.runtime.upload import Uploads


def symbolic(settings: MelodySettings) -> Engine[Musician]:
    """The engine that writes notes and plays them."""
    from services.melody.symbolic_engine import symbolic

    return symbolic(settings)


def musicgen(settings: MelodySettings) -> Engine[Musician]:
    """The engine for MusicGen in transformers' format."""
    from services.melody.musicgen_engine import musicgen

    return musicgen(settings)


def audiocraft(settings: MelodySettings) -> Engine[Musician]:
    """The engine for MusicGen and AudioGen in AudioCraft's format."""
    from services.melody.audiocraft_engine import audiocraft

    return audiocraft(settings)


def triton(settings: MelodySettings) -> Engine[Musician]:
    """The engine for musicians that a Triton server has."""
    from services.melody.triton_engine import triton

    return triton(settings)


def register(server: grpc.aio.Server, host: ModelHost[Musician], settings: MelodySettings) -> None:
    """Adds the servicer."""
    uploads = Uploads(settings.max_audio_bytes, settings.upload_memory_bytes)
    limits = AudioLimits(settings.max_audio_seconds)
    servicer = MelodyServicer(host, uploads, limits)
    melody_pb2_grpc.add_MelodyServiceServicer_to_server(servicer, server)


MELODY: Capability[Musician, MelodySettings] = Capability(
    name="melody",
    service=melody_pb2.DESCRIPTOR.services_by_name["MelodyService"].full_name,
    models=Path(__file__).parent / "models",
    engines={
        "symbolic": symbolic,
        "musicgen": musicgen,
        "audiocraft": audiocraft,
        "triton": triton,
        "fake": lambda _settings: FakeMelodyEngine(),
    },
    register=register,
)

if __name__ == "__main__":
    run(MELODY, settings_of(MelodySettings))
