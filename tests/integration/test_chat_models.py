"""The real SmolLM2 behind the chat contract: what it writes is valid by its schema, always."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import jsonschema
import pytest
import pytest_asyncio

from orfeon.api.chat.v1 import chat_pb2 as pb
from orfeon.api.chat.v1 import chat_pb2_grpc
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.runtime.errors import OrfeonError
from services.runtime.status import error_of
from tests.fakes.container import running
from tests.json_schemas import SCHEMAS

pytestmark = pytest.mark.asyncio(loop_scope="module")

Stub = chat_pb2_grpc.ChatServiceStub


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """The contract's stub, before the service with its own default model."""
    home = tmp_path_factory.mktemp("home")
    settings = ChatSettings(ORFEON_HOME=home, address=f"unix:{home}/s", context_length=2048)
    async with running(CHAT, settings) as channel:
        yield Stub(channel)


def said(role: Any, text: str, **fields: Any) -> pb.Message:
    return pb.Message(role=role, content=[pb.ContentPart(text=text)], **fields)


def asked(text: str, **fields: Any) -> pb.ChatCompletionRequest:
    options = {"seed": 1, "temperature": 1, "max_tokens": 400, **fields.pop("options", {})}
    return pb.ChatCompletionRequest(
        messages=[said(pb.ROLE_USER, text)], options=pb.GenerationOptions(**options), **fields
    )


def shaped(schema: Any, **options: Any) -> pb.ChatCompletionRequest:
    shape = pb.ResponseFormat(type=pb.RESPONSE_FORMAT_TYPE_JSON_SCHEMA, schema=json.dumps(schema))
    return asked("Give an example, as JSON.", response_format=shape, options=options)


async def refused(call: Any) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return error_of(failed.value)


async def test_a_hundred_schemas_have_a_hundred_valid_answers(chat: Any) -> None:
    few = asyncio.Semaphore(8)

    async def answer(schema: Any) -> pb.Choice:
        async with few:
            whole: pb.ChatCompletionResponse = await chat.ChatCompletion(shaped(schema))
            return whole.choices[0]

    choices = await asyncio.gather(*map(answer, SCHEMAS.values()))
    invalid = {}
    for (name, schema), choice in zip(SCHEMAS.items(), choices, strict=True):
        kind: Any = jsonschema.Draft202012Validator
        if isinstance(schema.get("items"), list):
            kind = jsonschema.Draft7Validator
        try:
            assert choice.reason == pb.FINISH_REASON_STOP
            kind(schema, format_checker=kind.FORMAT_CHECKER).validate(json.loads(choice.text))
        except (AssertionError, ValueError, jsonschema.ValidationError):
            invalid[name] = choice.text
    assert invalid == {}


async def test_a_schema_that_cannot_close_in_time_is_cut_to_a_valid_beginning(chat: Any) -> None:
    schema = {"type": "array", "items": {"enum": ["again"]}, "minItems": 400}
    choice = (await chat.ChatCompletion(shaped(schema, max_tokens=40))).choices[0]
    assert choice.reason == pb.FINISH_REASON_LENGTH
    whole = json.dumps(["again"] * 400)
    assert len(choice.text) > 40
    assert whole.startswith(choice.text)


TIME = pb.Tool(
    name="get_time",
    description="The time in a city.",
    parameters=json.dumps(
        {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "hours": {"enum": [12, 24]},
            },
            "required": ["city", "hours"],
        }
    ),
)
OTHER = pb.Tool(name="stop")


@pytest.mark.parametrize("named", ["", "get_time"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_required_call_is_made_with_valid_arguments(
    chat: Any, named: str, seed: int
) -> None:
    request = asked(
        "What time is it in Porto?",
        tools=[TIME, OTHER],
        tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED, name=named),
        parallel_tool_calls=False,
        options={"seed": seed},
    )
    choice = (await chat.ChatCompletion(request)).choices[0]
    assert choice.reason == pb.FINISH_REASON_TOOL_CALLS
    assert choice.text == ""
    (call,) = choice.tool_calls
    assert call.name in ({named} if named else {"get_time", "stop"})
    tool = TIME if call.name == "get_time" else OTHER
    schema = json.loads(tool.parameters or '{"maxProperties": 0}')
    jsonschema.validate(json.loads(call.arguments), schema)


async def test_a_model_that_has_seen_how_calls_by_itself(chat: Any) -> None:
    messages = []
    for at, city in enumerate(("Rome", "Paris", "Berlin")):
        call = pb.ToolCall(
            id=f"call_{at}", name="get_time", arguments=json.dumps({"city": city, "hours": 24})
        )
        messages += [
            said(pb.ROLE_USER, f"What time is it in {city}?"),
            pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[call]),
            said(pb.ROLE_TOOL, '{"time": "10:00"}', tool_call_id=f"call_{at}"),
            said(pb.ROLE_ASSISTANT, "It is 10:00."),
        ]
    request = asked("What time is it in Porto?", tools=[TIME, OTHER], options={"temperature": 0})
    question = request.messages.pop()
    request.messages.extend([*messages, question])
    choice = (await chat.ChatCompletion(request)).choices[0]
    assert choice.reason == pb.FINISH_REASON_TOOL_CALLS
    assert json.loads(choice.tool_calls[0].arguments) == {"city": "Porto", "hours": 24}


async def test_a_greeting_needs_no_call(chat: Any) -> None:
    choice = (await chat.ChatCompletion(asked("Hi there", tools=[TIME, OTHER]))).choices[0]
    assert choice.text
    assert not choice.tool_calls


async def test_what_cannot_be_read_is_refused(chat: Any) -> None:
    empty = pb.CompletionRequest(prompts=[pb.TextInput(tokens=pb.Tokens(ids=[]))])
    assert (await refused(chat.Completion(empty))).param == "prompt[0]"
    unknown = pb.CompletionRequest(prompts=[pb.TextInput(tokens=pb.Tokens(ids=[10**6]))])
    assert (await refused(chat.Completion(unknown))).http_status == 400
    picture = asked("What is it?", model="smollm2-135m-instruct")
    picture.messages[0].content.add(image=b"png")
    assert "cannot see" in (await refused(chat.ChatCompletion(picture))).message
    adapter = asked("Hi", options={"adapter": "pirate"})
    assert (await refused(chat.ChatCompletion(adapter))).param == "adapter"
    full = pb.CompletionRequest(prompts=[pb.TextInput(tokens=pb.Tokens(ids=[5] * 2049))])
    error = await refused(chat.Completion(full))
    assert error.code == "context_length_exceeded"
    assert "by 2 tokens" in error.message
