import asyncio
import dataclasses
import socket
import threading
from collections.abc import AsyncIterator, Iterator
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
from services.chat.engine import ChatModel, ChatRequest, Completed
from services.chat.fake_engine import FakeChatModel
from services.chat.settings import ChatSettings
from services.runtime.context import RequestContext
from services.runtime.errors import (
    Cancelled,
    ContextLengthExceeded,
    ModelLoading,
    ModelNotFound,
    OrfeonError,
)
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.server import Container
from services.runtime.status import error_of
from services.runtime.worker import Cancellation
from tests.fakes.container import running

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
    assert "".join(answer.delta for answer in answers) == "You said: good morning"
    assert len(answers) == 5
    assert answers[-1].finished.completion_tokens == 4
    assert {answer.model for answer in answers} == {"smollm2-135m-instruct"}


async def test_an_answer_comes_whole(channel: grpc.aio.Channel) -> None:
    answer = await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(ask("good morning"))
    assert answer.text == "You said: good morning"
    assert answer.finished.reason == pb.FINISH_REASON_STOP


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

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> ChatModel:
        self.entered.set()
        self.gate.wait()
        return FakeChatModel(manifest.context_length)


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


class TurningAway(FakeChatModel):
    """Gives up by itself."""

    def generate(self, request: ChatRequest, cancelled: Cancellation) -> Iterator[str | Completed]:
        raise Cancelled("The server behind gave up.")


async def test_work_that_is_given_up_is_no_empty_answer(tmp_path: Path) -> None:
    class Engine:
        kinds = frozenset({CPU})

        def load(self, manifest: Manifest, folder: Path, placement: Placement) -> ChatModel:
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


def test_more_than_one_slot_is_refused() -> None:
    with pytest.raises(ValidationError):
        ChatSettings(slots=2)


async def test_the_metrics_tell_what_was_answered(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
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
        'orfeon_model_resident_bytes{capability="chat",model="smollm2-135m-instruct"} 5.6e+08',
        "orfeon_build_info",
    ):
        assert line in page, page


async def test_a_priority_that_is_no_level_is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(
            ask("hi"), metadata=RequestContext("req", priority=7).metadata()
        )
    assert error_of(failed.value).param == "priority"
