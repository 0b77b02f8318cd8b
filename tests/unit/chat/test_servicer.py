"""A caller who leaves an answer while nothing of it is awaited."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orfeon.api.chat.v1 import chat_pb2 as pb
from services.chat.__main__ import CHAT
from services.chat.servicer import ChatServicer
from services.runtime.host import Leased
from services.runtime.llama.fake_engine import FakeLanguageModel
from services.runtime.llama.generation import Finished, Generation, Piece
from services.runtime.manifest import read_manifest
from services.runtime.scheduler import Ticket, Turn
from services.runtime.scheduler.scheduler import Place

MANIFEST = read_manifest(CHAT.models / "smollm2-135m-instruct" / "model.yaml")


class Counting(FakeLanguageModel):
    """Knows how many generations are under way."""

    running = 0

    @asynccontextmanager
    async def generate(
        self, generation: Generation, level: int
    ) -> AsyncIterator[AsyncIterator[Piece | Finished]]:
        self.running += 1
        try:
            async with super().generate(generation, level) as pieces:
                yield pieces
        finally:
            self.running -= 1


class Host:
    """Has one model, and knows how many leases of it are held."""

    def __init__(self) -> None:
        self.model = Counting(0)
        self.leases = 0

    @asynccontextmanager
    async def lease(self, *_: Any, **__: Any) -> AsyncIterator[Leased[Any]]:
        self.leases += 1
        try:
            yield Leased(MANIFEST, self.model, Turn(Ticket(MANIFEST.name, 1), Place(), 0.0))
        finally:
            self.leases -= 1


class Call:
    def invocation_metadata(self) -> tuple[Any, ...]:
        return ()

    def time_remaining(self) -> None:
        return None


CHATTING = pb.ChatCompletionRequest(
    messages=[pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="one two three")])]
)
CONTINUING = pb.CompletionRequest(prompts=[pb.TextInput(text="one two three")])


@pytest.mark.parametrize("route", ["chat", "completion"])
async def test_who_leaves_while_a_piece_is_written_has_freed_all_when_the_call_ends(
    route: str,
) -> None:
    host = Host()
    servicer = ChatServicer(host)  # type: ignore[arg-type]
    call: Any = Call()
    answer: Any = (
        servicer.StreamChatCompletion(pb.StreamChatCompletionRequest(completion=CHATTING), call)
        if route == "chat"
        else servicer.StreamCompletion(pb.StreamCompletionRequest(completion=CONTINUING), call)
    )
    await anext(answer)
    assert (host.leases, host.model.running) == (1, 1)
    await answer.aclose()
    assert (host.leases, host.model.running) == (0, 0)
