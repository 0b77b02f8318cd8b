import asyncio
import dataclasses
import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError

from orfeon.api.chat.v1 import chat_pb2 as pb
from orfeon.api.chat.v1 import chat_pb2_grpc
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.runtime.context import RequestContext
from services.runtime.endpoint import MAX_MESSAGE_BYTES
from services.runtime.errors import (
    Cancelled,
    ContextLengthExceeded,
    ModelLoading,
    ModelNotFound,
    OrfeonError,
)
from services.runtime.llama.fake_engine import FakeLanguageEngine, FakeLanguageModel
from services.runtime.llama.generation import Finished, Generation, LanguageModel, Piece
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.server import Container
from services.runtime.status import error_of
from tests.fakes.container import running
from tests.fakes.ports import free_port

SERVICE = "orfeon.api.chat.v1.ChatService"


def settings(tmp_path: Path) -> ChatSettings:
    return ChatSettings(
        ORFEON_HOME=tmp_path / "home", address=f"unix:{tmp_path / 's'}", engine="fake"
    )


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    async with running(CHAT, settings(tmp_path)) as channel:
        yield channel


def ask(text: str, model: str = "") -> pb.ChatCompletionRequest:
    message = pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=text)])
    return pb.ChatCompletionRequest(model=model, messages=[message])


async def error_from(channel: grpc.aio.Channel, request: pb.ChatCompletionRequest) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(request)
    return error_of(failed.value)


async def serving(channel: grpc.aio.Channel, service: str) -> bool:
    request = health_pb2.HealthCheckRequest(service=service)
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(request)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(
    channel: grpc.aio.Channel,
) -> None:
    request = pb.StreamChatCompletionRequest(completion=ask("good morning"))
    call = chat_pb2_grpc.ChatServiceStub(channel).StreamChatCompletion(request)
    answers = [answer async for answer in call]
    assert "".join(answer.delta.text for answer in answers) == "You said: good morning"
    assert [answer.WhichOneof("event") for answer in answers] == [
        *["delta"] * 4, "finished", "usage",
    ]  # fmt: skip
    assert answers[-1].usage.completion_tokens == 4
    assert {answer.model for answer in answers} == {"smollm2-135m-instruct"}


async def test_an_answer_comes_whole(channel: grpc.aio.Channel) -> None:
    answer = await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(ask("good morning"))
    assert answer.choices[0].text == "You said: good morning"
    assert answer.choices[0].reason == pb.FINISH_REASON_STOP
    assert answer.usage == pb.Usage(prompt_tokens=3, completion_tokens=4)


async def test_an_answer_may_be_larger_than_a_request(tmp_path: Path) -> None:
    said = "x" * (MAX_MESSAGE_BYTES + 1)
    engine = FakeLanguageEngine(lambda _generation: said)
    talking = dataclasses.replace(CHAT, engines={"fake": lambda _settings: engine})
    told = settings(tmp_path)
    unbounded = [("grpc.max_receive_message_length", -1)]
    async with (
        running(talking, told),
        grpc.aio.insecure_channel(told.address, unbounded) as channel,
    ):
        answer = await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(ask("hi"))
    assert answer.choices[0].text == said


async def test_several_texts_are_continued_in_one_call(channel: grpc.aio.Channel) -> None:
    stub = chat_pb2_grpc.ChatServiceStub(channel)
    request = pb.CompletionRequest(
        prompts=[pb.TextInput(text="a b"), pb.TextInput(tokens=pb.Tokens(ids=[0x163]))],
        options=pb.GenerationOptions(choices=2),
    )
    whole = await stub.Completion(request)
    assert [choice.text for choice in whole.choices] == [
        *["You said: a b"] * 2, *["You said: c"] * 2,
    ]  # fmt: skip
    assert whole.usage == pb.Usage(prompt_tokens=3, completion_tokens=14)
    texts: dict[int, str] = {}
    async for piece in stub.StreamCompletion(pb.StreamCompletionRequest(completion=request)):
        texts[piece.delta.choice] = texts.get(piece.delta.choice, "") + piece.delta.text
    assert texts == {at: choice.text for at, choice in enumerate(whole.choices)}


async def test_texts_become_vectors(channel: grpc.aio.Channel) -> None:
    request = pb.EmbedRequest(inputs=[pb.TextInput(text=text) for text in ("a b", "c")])
    answer = await chat_pb2_grpc.ChatServiceStub(channel).Embed(request)
    assert answer.model == "smollm2-135m-instruct"
    assert answer.prompt_tokens == 3
    assert len(answer.embeddings) == 2
    assert sum(value**2 for value in answer.embeddings[0].values) == pytest.approx(1)


async def test_vectors_are_cut_to_the_dimensions_asked_for(channel: grpc.aio.Channel) -> None:
    stub = chat_pb2_grpc.ChatServiceStub(channel)
    texts = [pb.TextInput(text="a b")]
    whole = (await stub.Embed(pb.EmbedRequest(inputs=texts))).embeddings[0].values
    cut = (await stub.Embed(pb.EmbedRequest(inputs=texts, dimensions=5))).embeddings[0].values
    length = math.hypot(*whole[:5])
    assert cut == pytest.approx([value / length for value in whole[:5]])
    for dimensions in (0, -1, len(whole) + 1):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Embed(pb.EmbedRequest(inputs=texts, dimensions=dimensions))
        assert error_of(failed.value).param == "dimensions"


@pytest.mark.parametrize(
    ("count", "text"), [(0, ""), (2_049, "a"), (1, "")], ids=["none", "too many", "empty"]
)
async def test_texts_that_cannot_be_embedded_are_refused(
    channel: grpc.aio.Channel, count: int, text: str
) -> None:
    request = pb.EmbedRequest(inputs=[pb.TextInput(text=text)] * count)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await chat_pb2_grpc.ChatServiceStub(channel).Embed(request)
    assert error_of(failed.value).http_status == 400


async def test_pictures_and_adapters_that_the_model_has_not_are_refused(
    channel: grpc.aio.Channel,
) -> None:
    picture = ask("What is it?", model="smollm2-135m-instruct")
    picture.messages[0].content.add(image=b"png")
    assert (await error_from(channel, picture)).http_status == 400
    picture.model = ""
    assert isinstance(await error_from(channel, picture), ModelNotFound)
    adapted = ask("hi")
    adapted.options.adapter = "pirate"
    assert (await error_from(channel, adapted)).param == "adapter"


CALL = '<tool_call>\n{"name": "time", "arguments": {"zone": "UTC"}}\n</tool_call>'


async def test_a_model_asks_for_a_function(tmp_path: Path) -> None:
    def answer(generation: Generation) -> str:
        assert generation.trigger == "<tool_call>"
        assert "time" in generation.grammar
        return f"Well. {CALL}"

    scripted = dataclasses.replace(
        CHAT, engines={"fake": lambda _settings: FakeLanguageEngine(answer)}
    )
    request = ask("What time is it?")
    request.tools.add(name="time", parameters='{"properties": {"zone": {"type": "string"}}}')
    async with running(scripted, settings(tmp_path)) as channel:
        whole = await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(request)
    choice = whole.choices[0]
    assert choice.text == "Well. "
    assert [(call.name, call.arguments) for call in choice.tool_calls] == [
        ("time", '{"zone": "UTC"}')
    ]
    assert choice.reason == pb.FINISH_REASON_TOOL_CALLS


async def test_errors_keep_their_class_sentence_and_field(channel: grpc.aio.Channel) -> None:
    missing = await error_from(channel, ask("hi", model="nope"))
    assert isinstance(missing, ModelNotFound)
    assert missing.param == "model"
    assert isinstance(await error_from(channel, ask("word " * 9000)), ContextLengthExceeded)


class GatedEngine:
    """Loads when told."""

    kinds = frozenset({CPU})

    def __init__(self) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> LanguageModel:
        self.entered.set()
        self.gate.wait()
        return FakeLanguageModel(manifest.context_length)


async def test_a_container_still_loading_says_when_to_come_back(tmp_path: Path) -> None:
    engine = GatedEngine()
    gated = dataclasses.replace(CHAT, engines={"fake": lambda _settings: engine})
    container = Container(gated, settings(tmp_path))
    await container.start()
    load = asyncio.ensure_future(container.load())
    await asyncio.to_thread(engine.entered.wait)
    async with grpc.aio.insecure_channel(settings(tmp_path).address) as channel:
        loading = await error_from(channel, ask("hi"))
        assert isinstance(loading, ModelLoading)
        assert loading.retry_after == 2.0
        engine.gate.set()
        await load
        assert await serving(channel, SERVICE)
    await container.stop()


async def test_a_container_stopped_while_loading_does_not_become_ready(tmp_path: Path) -> None:
    engine = GatedEngine()
    gated = dataclasses.replace(CHAT, engines={"fake": lambda _settings: engine})
    container = Container(gated, settings(tmp_path))
    await container.start()
    load = asyncio.ensure_future(container.load())
    await asyncio.to_thread(engine.entered.wait)
    stop = asyncio.ensure_future(container.stop())
    await load  # Whoever waits for the model is told before its load has ended.
    engine.gate.set()
    await stop
    assert not container.ready


class TurningAway(FakeLanguageModel):
    """Gives up by itself."""

    @asynccontextmanager
    async def generate(
        self, generation: Generation, level: int
    ) -> AsyncIterator[AsyncIterator[Piece | Finished]]:
        raise Cancelled("The server behind gave up.")
        yield


async def test_work_that_is_given_up_is_no_empty_answer(tmp_path: Path) -> None:
    class Engine:
        kinds = frozenset({CPU})

        def load(self, manifest: Manifest, folder: Path, placement: Placement) -> LanguageModel:
            return TurningAway(manifest.context_length)

    giving_up = dataclasses.replace(CHAT, engines={"fake": lambda _settings: Engine()})
    async with running(giving_up, settings(tmp_path)) as channel:
        assert isinstance(await error_from(channel, ask("hi")), Cancelled)
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            async for _ in stub.StreamChatCompletion(
                pb.StreamChatCompletionRequest(completion=ask("hi"))
            ):
                pass


@pytest.mark.parametrize("slots", [0, 65])
def test_slots_have_bounds(slots: int) -> None:
    with pytest.raises(ValidationError):
        ChatSettings(slots=slots)


class Listening(FakeLanguageModel):
    """Says at which level it was asked."""

    levels: list[int]

    @asynccontextmanager
    async def generate(
        self, generation: Generation, level: int
    ) -> AsyncIterator[AsyncIterator[Piece | Finished]]:
        self.levels.append(level)
        async with super().generate(generation, level) as pieces:
            yield pieces


async def test_the_engine_hears_how_urgent_a_request_is(tmp_path: Path) -> None:
    model = Listening(0)
    model.levels = []

    class Engine:
        kinds = frozenset({CPU})

        def load(self, manifest: Manifest, folder: Path, placement: Placement) -> LanguageModel:
            return model

    listening = dataclasses.replace(CHAT, engines={"fake": lambda _settings: Engine()})
    async with running(listening, settings(tmp_path)) as channel:
        for level in (2, 0):
            await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(
                ask("hi"), metadata=RequestContext("req", priority=level).metadata()
            )
    assert model.levels == [2, 0]


async def test_the_metrics_tell_what_was_answered(tmp_path: Path) -> None:
    port = free_port()
    told = settings(tmp_path).model_copy(update={"metrics_port": port})
    async with running(CHAT, told) as channel:
        await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(ask("hi"))
        assert isinstance(await error_from(channel, ask("hi", model="nope")), ModelNotFound)
        async with httpx.AsyncClient() as http:
            page = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    for line in (
        'orfeon_requests_total{capability="chat",method="ChatCompletion",outcome="ok",priority="1"}',
        'outcome="MODEL_NOT_FOUND"',
        'orfeon_queue_duration_seconds_count{capability="chat",model="smollm2-135m-instruct",',
        'orfeon_model_resident_bytes{capability="chat",model="smollm2-135m-instruct"} 5.5e+08',
        "orfeon_build_info",
    ):
        assert line in page, page


async def test_a_priority_that_is_no_level_is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(
            ask("hi"), metadata=RequestContext("req", priority=7).metadata()
        )
    assert error_of(failed.value).param == "priority"
