import json
import math
import re
from typing import Any

import pytest

from orfeon.api.chat.v1 import chat_pb2 as pb
from services.chat.requests import MAX_SCHEMA, conversation_of, generation_of
from services.runtime.errors import InvalidRequest
from services.runtime.llama.generation import Image, Message, Sampling, Tool, ToolCall
from tests.gbnf import Writer

HELLO = pb.Message(
    role=pb.ROLE_USER, content=[pb.ContentPart(text="Hel"), pb.ContentPart(text="lo")]
)
WEATHER = pb.Tool(
    name="weather",
    description="Tells it.",
    parameters='{"properties": {"hot": {"type": "boolean"}}, "required": ["hot"]}',
)
TIME = pb.Tool(name="time")
REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
WEATHER_CALL = '<tool_call>\n{"name": "weather", "arguments": {"hot": true}}\n</tool_call>'
TIME_CALL = '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'


def ask(**fields: Any) -> pb.ChatCompletionRequest:
    return pb.ChatCompletionRequest(messages=[HELLO], **fields)


def options(**fields: Any) -> pb.GenerationOptions:
    return pb.GenerationOptions(**fields)


def written(grammar: str) -> set[str]:
    writer = Writer(grammar)
    return {writer.write() for _ in range(200)}


def test_unset_fields_are_left_to_the_model() -> None:
    asked = conversation_of(ask(options=options(seed=7)))
    assert asked.messages == (Message("user", ("Hel", "lo")),)
    assert asked.generation.sampling == Sampling(seed=7)
    assert asked.generation.max_tokens is None
    assert (asked.generation.choices, asked.generation.logprobs) == (1, None)
    assert (asked.generation.grammar, asked.calls) == ("", None)


def test_what_is_set_arrives() -> None:
    given = options(max_tokens=9, top_k=0, logprobs=0, choices=3, adapter="rock", stop=["END"])
    given.logit_bias[5] = -100
    generation = generation_of(given)
    assert generation.sampling == Sampling(top_k=0, logit_bias=((5, -100.0),))
    assert (generation.max_tokens, generation.logprobs, generation.choices) == (9, 0, 3)
    assert (generation.adapter, generation.stop) == ("rock", ("END",))


def test_a_whole_conversation_arrives() -> None:
    messages = [
        pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(image=b"png")], name="Ann"),
        pb.Message(
            role=pb.ROLE_ASSISTANT,
            tool_calls=[pb.ToolCall(id="call_1", name="weather", arguments="{}")],
        ),
        pb.Message(role=pb.ROLE_TOOL, content=[pb.ContentPart(text="hot")], tool_call_id="call_1"),
    ]
    assert conversation_of(pb.ChatCompletionRequest(messages=messages)).messages == (
        Message("user", (Image(b"png"),), name="Ann"),
        Message("assistant", tool_calls=(ToolCall("call_1", "weather", "{}"),)),
        Message("tool", ("hot",), tool_call_id="call_1"),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("top_p", 1.1),
        ("presence_penalty", -3),
        ("frequency_penalty", math.inf),
        ("top_k", -1),
        ("logprobs", 21),
        ("choices", 0),
        ("choices", 100),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", [""]),
        ("stop", ["a" * 1001]),
        ("logit_bias", {5: 101}),
        ("logit_bias", {-5: 1}),
        ("logit_bias", {5: math.nan}),
        ("logit_bias", dict.fromkeys(range(1025), 1)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        generation_of(options(**{field: value}))
    assert refused.value.param == field


@pytest.mark.parametrize("messages", [[], [pb.Message(content=HELLO.content)]])
def test_a_conversation_needs_messages_with_roles(messages: list[pb.Message]) -> None:
    with pytest.raises(InvalidRequest):
        conversation_of(pb.ChatCompletionRequest(messages=messages))


@pytest.mark.parametrize(
    "messages",
    [
        [pb.Message(role=pb.ROLE_USER)] * 10_001,
        [pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text="a")] * 5_001)] * 2,
        [pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[pb.ToolCall()] * 10_001)],
    ],
)
def test_a_conversation_has_a_bound_on_its_parts(messages: list[pb.Message]) -> None:
    with pytest.raises(InvalidRequest, match="10,000") as refused:
        conversation_of(pb.ChatCompletionRequest(messages=messages))
    assert refused.value.param == "messages"


def test_a_free_choice_of_tools_binds_from_the_mark_on() -> None:
    asked = conversation_of(ask(tools=[WEATHER, TIME]))
    assert [tool.name for tool in asked.tools] == ["weather", "time"]
    assert asked.tools[0] == Tool("weather", "Tells it.", json.loads(WEATHER.parameters))
    assert (asked.generation.trigger, asked.calls) == ("<tool_call>", True)
    texts = written(asked.generation.grammar)
    assert {WEATHER_CALL, TIME_CALL, f"{TIME_CALL}\n{WEATHER_CALL}"} <= texts


def test_a_required_choice_binds_from_the_beginning() -> None:
    asked = conversation_of(
        ask(tools=[WEATHER, TIME], tool_choice=REQUIRED, parallel_tool_calls=False)
    )
    assert (asked.generation.trigger, asked.calls) == ("", False)
    assert {WEATHER_CALL, TIME_CALL} <= written(asked.generation.grammar)
    assert all(text.count("<tool_call>") == 1 for text in written(asked.generation.grammar))


def test_a_named_tool_is_the_only_one() -> None:
    choice = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED, name="time")
    asked = conversation_of(
        ask(tools=[WEATHER, TIME], tool_choice=choice, parallel_tool_calls=False)
    )
    assert written(asked.generation.grammar) == {TIME_CALL}


def test_no_choice_tells_the_model_of_no_tools() -> None:
    none = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE)
    asked = conversation_of(ask(tools=[WEATHER], tool_choice=none))
    assert (asked.tools, asked.generation.grammar, asked.calls) == ((), "", None)


def test_a_shape_beside_tools_is_the_other_thing_that_may_be_said() -> None:
    shape = pb.ResponseFormat(type=pb.RESPONSE_FORMAT_TYPE_JSON_SCHEMA, schema='{"const": 1}')
    asked = conversation_of(ask(tools=[TIME], response_format=shape, parallel_tool_calls=False))
    assert written(asked.generation.grammar) == {"1", TIME_CALL}
    assert (asked.generation.trigger, asked.calls) == ("", False)


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (pb.ResponseFormat(type=pb.RESPONSE_FORMAT_TYPE_JSON_OBJECT), "{}"),
        (
            pb.ResponseFormat(type=pb.RESPONSE_FORMAT_TYPE_JSON_SCHEMA, schema='{"enum": [1]}'),
            "1",
        ),
    ],
)
def test_a_shape_becomes_a_grammar(shape: pb.ResponseFormat, example: str) -> None:
    asked = conversation_of(ask(response_format=shape))
    assert example in written(asked.generation.grammar)


def tool(name: str = "time", parameters: str = "") -> pb.Tool:
    return pb.Tool(name=name, parameters=parameters)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (ask(tools=[tool(f"t{at}") for at in range(129)]), "tools"),
        (ask(tools=[tool("no spaces")]), "tools[0].name"),
        (ask(tools=[tool(), tool("")]), "tools[1].name"),
        (ask(tools=[tool(), tool()]), "tools[1].name"),
        (ask(tools=[tool(parameters="{")]), "tools[0].parameters"),
        (ask(tools=[tool(parameters='{"type": "string"}')]), "tools[0].parameters"),
        (ask(tools=[tool(parameters='{"not": {}}')]), "tools[0].parameters"),
        (ask(tool_choice=REQUIRED), "tool_choice"),
        (ask(tools=[TIME], tool_choice=pb.ToolChoice(name="other")), "tool_choice"),
        *(
            (
                ask(
                    response_format=pb.ResponseFormat(
                        type=pb.RESPONSE_FORMAT_TYPE_JSON_SCHEMA, schema=schema
                    )
                ),
                "response_format",
            )
            for schema in (
                json.dumps({"description": "x" * MAX_SCHEMA}),
                "", "[]", "{", '{"type": "song"}', '{"enum": [NaN]}', '{"const": "\\ud800"}',
                '{"type": "null", "default": ' + "[" * 400 + "]" * 400 + "}",
                '{"$ref": "#"}', '{"items": ' * 5000 + "{}" + "}" * 5000,
            )
        ),
    ],
)  # fmt: skip
def test_tools_and_shapes_that_cannot_be_are_refused_by_name(
    request_: pb.ChatCompletionRequest, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        conversation_of(request_)
    assert refused.value.param == param


def test_as_many_tools_as_may_be_have_one_grammar() -> None:
    asked = conversation_of(ask(tools=[tool(f"t{at}") for at in range(128)]))
    assert len(asked.tools) == 128
    writer = Writer(asked.generation.grammar)
    assert len({name for _ in range(900) for name in re.findall(r"t\d+", writer.write())}) == 128


def test_what_is_asked_for_has_a_cost() -> None:
    few = conversation_of(ask(options=options(max_tokens=10)))
    many = conversation_of(ask(options=options(max_tokens=10, choices=4)))
    assert many.cost - few.cost == 30
