"""What every capability container answers alike: health, reflection and its models."""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.serve.probes import Phase, ServiceProbe
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from services.lyrics.__main__ import LYRICS
from services.lyrics.settings import LyricsSettings
from services.melody.__main__ import MELODY
from services.melody.settings import MelodySettings
from services.runtime.registry import Registry
from services.runtime.server import Capability, Container
from services.runtime.settings import ServiceSettings
from services.speech.__main__ import SPEECH
from services.speech.settings import SpeechSettings
from tests.fakes.container import running
from tests.recordings import tone, wav


@dataclasses.dataclass(frozen=True)
class Case:
    """A capability, and a call as grpcurl would make it: JSON in, JSON out."""

    capability: Capability[Any, Any]
    settings: type[ServiceSettings]
    method: str
    messages: list[dict[str, Any]]
    answer: str


CLIP = wav(tone(1))
CASES = [
    Case(
        CHAT,
        ChatSettings,
        "ChatCompletion",
        [{"messages": [{"role": "ROLE_USER", "content": [{"text": "hello"}]}]}],
        "You said: hello",
    ),
    Case(LYRICS, LyricsSettings, "WriteLyrics", [{"sections": [2], "lines": 1}], "VERSE"),
    Case(SPEECH, SpeechSettings, "ListVoices", [{}], "joe"),
    Case(EMOTION, EmotionSettings, "Classify", [{"config": {}}, {"audio": CLIP}], "neutral"),
    Case(MELODY, MelodySettings, "ListGenres", [{}], "rock"),
]


@pytest.fixture(params=CASES, ids=lambda case: case.capability.name)
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


def told(case: Case, tmp_path: Path) -> ServiceSettings:
    return case.settings(
        ORFEON_HOME=tmp_path / "home",
        address=f"unix:{tmp_path / 's'}",
        engine="fake",
    )


async def serving(channel: grpc.aio.Channel, service: str) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_health_tells_alive_from_ready(case: Case, tmp_path: Path) -> None:
    names = ("liveness", "", case.capability.service)
    async with running(case.capability, told(case, tmp_path)) as channel:
        assert [await serving(channel, name) for name in names] == [True, True, True]
    async with running(case.capability, told(case, tmp_path), load=False) as channel:
        assert [await serving(channel, name) for name in names] == [True, False, False]


async def test_reflection_lists_the_contracts(case: Case, tmp_path: Path) -> None:
    reflection: Any = reflection_pb2_grpc
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with running(case.capability, told(case, tmp_path)) as channel:
        async for answer in reflection.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([request])
        ):
            names = {service.name for service in answer.list_services_response.service}
    assert names >= {
        case.capability.service,
        "grpc.health.v1.Health",
        "orfeon.api.models.v1.ModelService",
    }


async def test_the_models_are_listed_with_their_state(case: Case, tmp_path: Path) -> None:
    async with running(case.capability, told(case, tmp_path)) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        models = (await stub.ListModels(models_pb2.ListModelsRequest())).models
    assert {model.capability for model in models} == {case.capability.name}
    assert models[0].is_default
    loaded = {model.id for model in models if model.state == models_pb2.MODEL_STATE_LOADED}
    # What stands in for a default when time is short is there before it is needed.
    registry = Registry(tmp_path / "empty", [case.capability.models])
    stand_ins = {registry.get(model.id).options.get("fallback") for model in models}
    assert loaded == {
        model.id for model in models if model.is_default or model.base or model.id in stand_ins
    }


async def test_a_client_with_no_code_of_ours_can_call(case: Case, tmp_path: Path) -> None:
    async with running(case.capability, told(case, tmp_path)):
        # In a thread: the library's reflection client blocks, and the server is in this loop.
        address = told(case, tmp_path).address
        answer = await asyncio.to_thread(_call_by_reflection, case, address)
    assert case.answer in str(answer)


def _call_by_reflection(case: Case, address: str) -> dict[str, Any]:
    with grpc.insecure_channel(address) as channel:
        pool: Any = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service = pool.FindServiceByName(case.capability.service)
        method = service.FindMethodByName(case.method)
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        path = f"/{case.capability.service}/{case.method}"

        def messages() -> Iterator[Any]:
            for fields in case.messages:
                raw = {name: value for name, value in fields.items() if isinstance(value, bytes)}
                rest = {name: value for name, value in fields.items() if name not in raw}
                yield ParseDict(rest, request(**raw))

        if len(case.messages) > 1:
            stream = channel.stream_unary(
                path,
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            return MessageToDict(stream(messages(), timeout=60))
        if method.server_streaming:
            answers = channel.unary_stream(
                path,
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            return {
                "answers": [MessageToDict(one) for one in answers(next(messages()), timeout=60)]
            }
        call = channel.unary_unary(
            path,
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return MessageToDict(call(next(messages()), timeout=60))


async def test_a_container_without_its_arbiter_says_what_it_waits_for_and_can_be_stopped(
    case: Case, tmp_path: Path
) -> None:
    settings = told(case, tmp_path).model_copy(update={"arbiter": f"unix:{tmp_path / 'none'}"})
    container = Container(case.capability, settings)
    await container.start()
    loading = asyncio.create_task(container.load())
    probe = ServiceProbe(settings.address)
    async with asyncio.timeout(30):
        phase, detail = await probe.ask() or (None, "")
        while not detail:
            phase, detail = await probe.ask() or (None, "")
    assert (phase, detail.endswith(" (waits for memory)")) == (Phase.LOADING, True)
    await probe.close()
    loading.cancel()
    async with asyncio.timeout(30):
        await container.stop()
    assert not container.ready
