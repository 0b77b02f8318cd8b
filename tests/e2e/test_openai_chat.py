"""Chat as OpenAI defines it, with the official client, on the default model."""

import json
from typing import Any

import jsonschema
import openai
import pytest
from pydantic import BaseModel, Field

from tests.e2e.conftest import Product

MODEL = "smollm2-135m-instruct"
QUESTION: Any = [{"role": "user", "content": "What is 2+2?"}]
PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": PARAMETERS,
        "strict": True,
    },
}
FLAT: Any = {"type": "function", **WEATHER["function"]}
STOP: Any = {"type": "function", "function": {"name": "stop"}}
CITY: Any = [{"role": "user", "content": "What is the weather in Porto?"}]


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_tool_that_must_be_called_is_called(product: Product, choice: Any) -> None:
    answer = product.client().chat.completions.create(
        model=MODEL,
        messages=CITY,
        tools=[WEATHER, STOP],
        tool_choice=choice,
        parallel_tool_calls=False,
        max_tokens=100,
        seed=1,
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    assert answer.choices[0].message.tool_calls is not None
    (call,) = answer.choices[0].message.tool_calls
    assert call.type == "function"
    if choice == "required":
        assert call.function.name in ("get_weather", "stop")
    else:
        assert call.function.name == "get_weather"
        jsonschema.validate(json.loads(call.function.arguments), PARAMETERS)


def test_a_call_streams_and_its_result_is_answered(product: Product) -> None:
    client = product.client()
    with client.chat.completions.stream(
        model=MODEL, messages=CITY, tools=[WEATHER], tool_choice="required",
        parallel_tool_calls=False, max_tokens=100, seed=2,
    ) as stream:  # fmt: skip
        deltas = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        message = stream.get_final_completion().choices[0].message
    # Several tokens share a delta where the model is faster than 20 of them a second.
    assert len(deltas) > 1
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    called: Any = message.model_dump(include={"role", "content", "tool_calls"})
    jsonschema.validate(json.loads(call.function.arguments), PARAMETERS)
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            *CITY,
            called,
            {"role": "tool", "tool_call_id": call.id, "content": "21 degrees and sunny"},
        ],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=60,
        temperature=0,
    )
    assert answer.choices[0].message.content
    assert not answer.choices[0].message.tool_calls


def test_a_model_that_has_seen_how_calls_by_itself(product: Product) -> None:
    messages: list[Any] = []
    for at, city in enumerate(("Rome", "Paris", "Berlin")):
        arguments = json.dumps({"city": city, "unit": "celsius"})
        call = {"name": "get_weather", "arguments": arguments}
        messages += [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "tool_calls": [
                {"id": f"call_{at}", "type": "function", "function": call},
            ]},
            {"role": "tool", "tool_call_id": f"call_{at}", "content": "sunny"},
            {"role": "assistant", "content": "It is sunny."},
        ]  # fmt: skip
    answer = product.client().chat.completions.create(
        model=MODEL, messages=[*messages, *CITY], tools=[WEATHER, STOP], temperature=0
    )
    assert answer.choices[0].message.tool_calls is not None
    called = answer.choices[0].message.tool_calls[0]
    assert called.type == "function"
    assert json.loads(called.function.arguments) == {"city": "Porto", "unit": "celsius"}


class Recipe(BaseModel):
    """What the client makes a schema of, and parses."""

    title: str = Field(max_length=20)
    minutes: int = Field(ge=1, le=240)
    vegetarian: bool
    ingredients: list[str] = Field(max_length=3)


def test_an_answer_is_parsed_by_its_schema(product: Product) -> None:
    schema = Recipe.model_json_schema()
    schema["properties"]["ingredients"]["items"]["maxLength"] = 12
    answer = product.client().chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "A recipe, as JSON."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "recipe", "schema": schema, "strict": True},
        },
        seed=3,
    )
    assert answer.choices[0].finish_reason == "stop"
    recipe = Recipe.model_validate_json(answer.choices[0].message.content or "")
    assert 1 <= recipe.minutes <= 240


def test_log_probabilities_tell_of_every_token(product: Product) -> None:
    answer = product.client().chat.completions.create(
        model=MODEL, messages=QUESTION, logprobs=True, top_logprobs=3, temperature=0, max_tokens=8
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    told = choice.logprobs.content
    assert answer.usage is not None
    assert b"".join(bytes(token.bytes or []) for token in told).decode() == choice.message.content
    for token in told:
        assert token.logprob <= 0
        likeliest = [one.logprob for one in token.top_logprobs]
        assert len(likeliest) == 3
        assert likeliest == sorted(likeliest, reverse=True)
        assert token.logprob == pytest.approx(likeliest[0])


def test_several_answers_differ(product: Product) -> None:
    made = product.client().chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Write a line about the sea."}],
        n=3,
        seed=5,
        temperature=1.5,
        max_tokens=16,
    )
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in made.choices}) == 3


def test_a_bias_forbids_a_token(product: Product) -> None:
    client = product.client()

    def answer(**options: Any) -> str:
        made = client.chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=0, max_tokens=1, logprobs=True, **options
        )
        return made.choices[0].message.content or ""

    usual = answer()
    # No route tells ids of tokens, so all of a range are forbidden until the answer changes.
    for first in range(0, 49_152, 1_024):
        bias = {str(token): -100 for token in range(first, min(first + 1_024, 49_152))}
        if answer(logit_bias=bias) != usual:
            return
    pytest.fail("no bias changed the answer")


def test_a_text_is_continued(product: Product) -> None:
    client = product.client()
    answer = client.completions.create(
        model=MODEL, prompt=["The capital of France is", "Two plus two is"], temperature=0,
        max_tokens=6, logprobs=2,
    )  # fmt: skip
    assert "Paris" in answer.choices[0].text
    assert len(answer.choices) == 2
    assert answer.choices[0].logprobs is not None
    assert "".join(answer.choices[0].logprobs.tokens or []) == answer.choices[0].text
    pieces = list(
        client.completions.create(
            model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=6, stream=True
        )
    )
    assert "".join(piece.choices[0].text for piece in pieces) == answer.choices[0].text


def test_texts_alike_have_vectors_alike(product: Product) -> None:
    texts = ["A cat sits on the mat.", "A kitten lies on the rug.", "Shares fell sharply today."]
    answer = product.client().embeddings.create(model=MODEL, input=texts)
    cat, kitten, shares = (row.embedding for row in answer.data)

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert likeness(cat, cat) == pytest.approx(1, abs=1e-3)
    assert likeness(cat, kitten) > likeness(cat, shares)
    assert answer.usage.prompt_tokens > 15
    short = product.client().embeddings.create(model=MODEL, input=texts[0], dimensions=64)
    assert len(short.data[0].embedding) == 64


def test_a_response_comes_whole_and_streams(product: Product) -> None:
    client = product.client()
    whole = client.responses.create(model=MODEL, input="What is 2+2?", temperature=0)
    assert "4" in whole.output_text
    assert whole.usage is not None
    assert whole.usage.input_tokens > 10
    with client.responses.stream(model=MODEL, input="What is 2+2?", temperature=0) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "".join(deltas)
    assert len(deltas) > 1
    cut = client.responses.create(model=MODEL, input="Count to fifty.", max_output_tokens=3)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_a_response_calls_a_function(product: Product) -> None:
    answer = product.client().responses.create(
        model=MODEL,
        input="What is the weather in Porto?",
        tools=[FLAT],
        tool_choice="required",
        parallel_tool_calls=False,
        extra_body={"seed": 1},
    )
    (call,) = answer.output
    assert call.type == "function_call"
    assert call.name == "get_weather"
    jsonschema.validate(json.loads(call.arguments), PARAMETERS)


def test_a_conversation_is_not_read_twice(product: Product) -> None:
    client = product.client()
    system: Any = {"role": "system", "content": "You know all about ships. " * 40}
    for _ in range(2):
        answer = client.chat.completions.create(
            model=MODEL, messages=[system, *QUESTION], max_tokens=1
        )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert (answer.usage.prompt_tokens_details.cached_tokens or 0) > 200


def test_a_model_that_cannot_see_says_so(product: Product) -> None:
    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAA"
        "ggCB2kUIOwAAAABJRU5ErkJggg=="
    )
    content: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}},
    ]
    with pytest.raises(openai.BadRequestError, match="cannot see"):
        product.client().chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": content}]
        )
