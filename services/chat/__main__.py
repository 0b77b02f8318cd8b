"""Starts the chat container: `python -m services.chat`."""

from pathlib import Path

import grpc

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from services.chat.servicer import ChatServicer
from services.chat.settings import ChatSettings
from services.runtime.environment import settings_of
from services.runtime.host import ModelHost
from services.runtime.llama.engine import llama
from services.runtime.llama.fake_engine import FakeLanguageEngine
from services.runtime.llama.generation import LanguageModel
from services.runtime.server import Capability, run


def register(
    server: grpc.aio.Server, host: ModelHost[LanguageModel], _settings: ChatSettings
) -> None:
    """Adds the servicer."""
    chat_pb2_grpc.add_ChatServiceServicer_to_server(ChatServicer(host), server)


CHAT: Capability[LanguageModel, ChatSettings] = Capability(
    name="chat",
    service=chat_pb2.DESCRIPTOR.services_by_name["ChatService"].full_name,
    models=Path(__file__).parent / "models",
    engines={"llama-cpp": llama, "fake": lambda _settings: FakeLanguageEngine()},
    register=register,
)

if __name__ == "__main__":
    run(CHAT, settings_of(ChatSettings))
