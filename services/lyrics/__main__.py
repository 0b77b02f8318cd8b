"""Starts the lyrics container: `python -m services.lyrics`."""

from pathlib import Path

import grpc

from orfeon.api.lyrics.v1 import lyrics_pb2, lyrics_pb2_grpc
from services.lyrics.fake_engine import sung
from services.lyrics.servicer import LyricsServicer
from services.lyrics.settings import LyricsSettings
from services.runtime.environment import settings_of
from services.runtime.host import ModelHost
from services.runtime.llama.engine import llama
from services.runtime.llama.fake_engine import FakeLanguageEngine
from services.runtime.llama.generation import LanguageModel
from services.runtime.server import Capability, run


def register(
    server: grpc.aio.Server, host: ModelHost[LanguageModel], _settings: LyricsSettings
) -> None:
    """Adds the servicer."""
    lyrics_pb2_grpc.add_LyricsServiceServicer_to_server(LyricsServicer(host), server)


LYRICS: Capability[LanguageModel, LyricsSettings] = Capability(
    name="lyrics",
    service=lyrics_pb2.DESCRIPTOR.services_by_name["LyricsService"].full_name,
    models=Path(__file__).parent / "models",
    engines={"llama-cpp": llama, "fake": lambda _settings: FakeLanguageEngine(sung)},
    register=register,
)

if __name__ == "__main__":
    run(LYRICS, settings_of(LyricsSettings))
