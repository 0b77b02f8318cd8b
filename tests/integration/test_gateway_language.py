"""Tools, shapes, continuations, vectors and responses, through the gateway and OpenAI's client."""

import base64
import json
import struct
from typing import Any

import openai
import pytest

from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import Internal
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]

PNG = base64.b64encode(b"\x89PNG").decode()
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}
FLAT: Any = {"type": "function", **WEATHER["function"]}
CALLED: Any = {
    "id": "call_7",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Porto"}'},
}


async def test_everything_that_chat_can_be_told_arrives(stage: Stage) -> None:
    messages: Any = [
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_7", "content": "hot"},
    ]  # fmt: skip
    async with stage.client as client:
        answer = await client.chat.completions.create(
            model="fake-chat",
            messages=messages,
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            parallel_tool_calls=False,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": {"const": 1}, "strict": True},
            },
            n=2,
            logprobs=True,
            top_logprobs=1,
            logit_bias={"50256": -100},
            extra_body={"adapter": "pirate", "top_k": 4, "repeat_penalty": 1.5, "n_threads": 2},
        )
    sent = stage.script.requests[0]
    assert [part.WhichOneof("part") for part in sent.messages[0].content] == ["text", "image"]
    assert sent.messages[0].content[1].image == b"\x89PNG"
    assert sent.messages[1].tool_calls[0] == chat_pb2.ToolCall(
        id="call_7", name="get_weather", arguments='{"city": "Porto"}'
    )
    assert (sent.messages[2].role, sent.messages[2].tool_call_id) == (
        chat_pb2.ROLE_TOOL, "call_7",
    )  # fmt: skip
    assert json.loads(sent.tools[0].parameters) == WEATHER["function"]["parameters"]
    assert sent.tool_choice == chat_pb2.ToolChoice(
        mode=chat_pb2.TOOL_CHOICE_MODE_REQUIRED, name="get_weather"
    )
    assert sent.HasField("parallel_tool_calls")
    assert not sent.parallel_tool_calls
    assert json.loads(sent.response_format.schema) == {"const": 1}
    options = sent.options
    assert (options.choices, options.logprobs, options.adapter) == (2, 1, "pirate")
    assert (options.top_k, options.repeat_penalty) == (4, 1.5)
    assert dict(options.logit_bias) == {50256: -100}
    assert [choice.message.content for choice in answer.choices] == ["Hello, wörld"] * 2
    told = answer.choices[1].logprobs
    assert told is not None
    assert told.content is not None
    assert "".join(token.token for token in told.content) == "Hello, wörld"
    assert told.content[2].bytes == list("wörld".encode())
    assert [one.token for one in told.content[0].top_logprobs] == [" other"]


async def test_a_call_comes_whole(stage: Stage) -> None:
    stage.script.calls, stage.script.pieces = "get_weather", ['{"city":', ' "Porto"}']
    async with stage.client as client:
        answer = await client.chat.completions.create(
            model="fake-chat",
            messages=[{"role": "user", "content": "Weather?"}],
            tools=[WEATHER],
            tool_choice="required",
        )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Porto"}')


async def test_a_call_streams_its_arguments(stage: Stage) -> None:
    stage.script.calls, stage.script.pieces = "get_weather", ['{"city":', ' "Porto"}']
    async with stage.client as client:
        stream = await client.chat.completions.create(
            model="fake-chat",
            messages=[{"role": "user", "content": "Weather?"}],
            tools=[WEATHER],
            stream=True,
        )
        deltas = [chunk.choices[0] async for chunk in stream]
    assert deltas[0].delta.role == "assistant"
    calls = [call for one in deltas for call in one.delta.tool_calls or ()]
    assert [call.function and call.function.name for call in calls] == ["get_weather", None]
    assert [call.id for call in calls] == ["call_1", None]
    assert "".join((call.function and call.function.arguments) or "" for call in calls) == (
        '{"city": "Porto"}'
    )
    assert deltas[-1].finish_reason == "tool_calls"


async def test_choices_stream_side_by_side(stage: Stage) -> None:
    async with stage.client as client:
        stream = await client.chat.completions.create(
            model="fake-chat",
            messages=[{"role": "user", "content": "Hi"}],
            n=3,
            logprobs=True,
            stream=True,
        )
        texts = ["", "", ""]
        ended = []
        async for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                if choice.delta.content:
                    assert choice.logprobs is not None
                if choice.finish_reason:
                    ended.append(choice.index)
    assert texts == ["Hello, wörld"] * 3
    assert ended == [0, 1, 2]


async def test_a_picture_has_a_route_of_its_own(stage: Stage) -> None:
    content = [{"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}"}}]
    async with stage.http as http:
        body = {"messages": [{"role": "user", "content": content}]}
        answer = await http.post("/v1/vision", json=body)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Hello, wörld"
    assert stage.script.requests[0].messages[0].content[0].image == b"\x89PNG"


async def test_texts_are_continued(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.completions.create(
            model="fake-chat", prompt=["Once", "Twice"], n=2, echo=True, seed=1, stop=["."]
        )
    assert [choice.text for choice in answer.choices] == [
        *["OnceHello, wörld"] * 2, *["TwiceHello, wörld"] * 2,
    ]  # fmt: skip
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10
    sent = stage.script.requests[0]
    assert [one.text for one in sent.prompts] == ["Once", "Twice"]
    assert (sent.options.max_tokens, sent.options.choices, sent.options.seed) == (16, 2, 1)


async def test_tokens_are_continued_and_told(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.completions.create(
            model="fake-chat", prompt=[[1, 2], [3]], logprobs=1, max_tokens=5
        )
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.tokens == ["Hello", ", ", "wörld"]
    assert told.text_offset == [0, 5, 7]
    assert told.top_logprobs == [{" other": -2.0}] * 3
    assert told.token_logprobs == [-0.5] * 3
    assert [list(one.tokens.ids) for one in stage.script.requests[0].prompts] == [[1, 2], [3]]


async def test_a_continuation_streams(stage: Stage) -> None:
    async with stage.client as client:
        stream = await client.completions.create(
            model="fake-chat",
            prompt="Once",
            echo=True,
            stream=True,
            stream_options={"include_usage": True},
        )
        *pieces, last = [piece async for piece in stream]
    assert "".join(piece.choices[0].text for piece in pieces) == "OnceHello, wörld"
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 10


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_texts_become_vectors(stage: Stage, encoding: Any) -> None:
    async with stage.http as http:
        body = {"model": "fake-chat", "input": ["a", "b"], "encoding_format": encoding}
        answer = (await http.post("/v1/embeddings", json=body)).json()
    assert [row["index"] for row in answer["data"]] == [0, 1]
    vector = answer["data"][1]["embedding"]
    if encoding == "base64":
        vector = struct.unpack("<3f", base64.b64decode(vector))
    assert vector == pytest.approx([0.6, 0, 0.8])
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


async def test_what_is_asked_of_vectors_arrives(stage: Stage) -> None:
    async with stage.client as client:
        await client.embeddings.create(model="fake-chat", input="a", dimensions=2)
        await client.embeddings.create(model="fake-chat", input=[1, 2])
    cut, whole = stage.script.requests
    assert cut.dimensions == 2
    assert not whole.HasField("dimensions")
    assert list(whole.inputs[0].tokens.ids) == [1, 2]


async def test_a_response_comes_whole(stage: Stage) -> None:
    items: Any = [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "call_7", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_7", "output": "hot"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "user", "content": [
            {"type": "input_text", "text": "And?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
        ]},
    ]  # fmt: skip
    async with stage.client as client:
        answer = await client.responses.create(
            model="fake-chat",
            instructions="Be brief.",
            input=items,
            tools=[FLAT],
            text={"format": {"type": "json_object"}},
            max_output_tokens=9,
            metadata={"a": "b"},
            store=True,
            include=["message.output_text.logprobs"],
            top_logprobs=1,
        )
        with pytest.raises(openai.NotFoundError, match="not kept"):
            await client.responses.retrieve(answer.id)
    assert answer.output_text == "Hello, wörld"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.cached_tokens == 2
    assert answer.metadata == {"a": "b"}
    assert answer.tools[0].type == "function"
    sent = stage.script.requests[0]
    assert [message.role for message in sent.messages] == [
        chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_TOOL,
        chat_pb2.ROLE_USER,
    ]  # fmt: skip
    assert sent.messages[2].tool_calls[0].id == sent.messages[3].tool_call_id == "call_7"
    assert sent.messages[4].content[1].image == b"\x89PNG"
    assert sent.response_format.type == chat_pb2.RESPONSE_FORMAT_TYPE_JSON_OBJECT
    assert (sent.options.max_tokens, sent.options.logprobs) == (9, 1)


async def test_a_response_streams_its_events(stage: Stage) -> None:
    async with stage.client as client:
        stream = await client.responses.create(model="fake-chat", input="Hi", stream=True)
        events = [event async for event in stream]
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 3,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Hello, wörld"
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 10


async def test_a_response_streams_a_call(stage: Stage) -> None:
    stage.script.calls, stage.script.pieces = "get_weather", ['{"city":', ' "Porto"}']
    async with (
        stage.client as client,
        client.responses.stream(
            model="fake-chat", input="Weather?", tools=[FLAT], tool_choice="required"
        ) as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert "response.function_call_arguments.delta" in [event.type for event in events]
    call = final.output[0]
    assert call.type == "function_call"
    assert (call.name, call.arguments, call.call_id) == (
        "get_weather", '{"city": "Porto"}', "call_1",
    )  # fmt: skip


@pytest.mark.parametrize("route", ["completions", "responses"])
async def test_a_failure_in_the_middle_is_the_last_event(stage: Stage, route: str) -> None:
    stage.script.error, stage.script.error_after = Internal("It broke."), 2
    body = {"model": "fake-chat", "prompt": "Hi"}
    if route == "responses":
        body = {"model": "fake-chat", "input": "Hi"}
    async with stage.http as http:
        answer = await http.post(f"/v1/{route}", json={**body, "stream": True})
    last = answer.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "It broke."


@pytest.mark.parametrize("route", ["completions", "responses"])
async def test_a_stream_that_ends_too_soon_is_a_failure(stage: Stage, route: str) -> None:
    stage.script.finishes = False
    body = {"model": "fake-chat", "prompt": "Hi", "stream": True}
    if route == "responses":
        body = {"model": "fake-chat", "input": "Hi", "stream": True}
    async with stage.http as http:
        answer = await http.post(f"/v1/{route}", json=body)
    last = answer.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"
