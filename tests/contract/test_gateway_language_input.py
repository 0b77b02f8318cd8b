"""Requests for generated text that make no sense: refused by name, before a service is asked."""

import json

import httpx
import pytest

from tests.contract.test_gateway_bad_input import BODY, CHAT, JSON, app, client, refused

__all__ = ["app", "client"]


def function(**fields: object) -> dict[str, object]:
    return {"type": "function", "function": fields}


def shape(**fields: object) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": fields}


def picture(url: object) -> list[dict[str, object]]:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": content}]


URL = "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [function(name=f"f{n}") for n in range(129)]}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [function(name="no spaces")]}, "tools[0].function.name"),
        ({"tools": [function(name="f", parameters=[])]}, "tools[0].function.parameters"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": shape(name="s")}, "response_format.json_schema.schema"),
        ({"response_format": shape(name="s", schema=3)}, "response_format.json_schema.schema"),
        ({"response_format": shape(name="ß", schema={})}, "response_format.json_schema.name"),
        ({"stop": ["a" * 1001]}, "stop[0]"),
        ({"stop": [""]}, "stop[0]"),
        ({"logit_bias": {"5": 101}}, "logit_bias[5]"),
        ({"messages": picture("https://example.org/a.png")}, URL),
        ({"messages": picture("file:///etc/passwd")}, URL),
        ({"messages": picture("data:image/gif;base64,R0lG")}, URL),
        ({"messages": picture("data:image/png;base64,???")}, URL),
        ({"messages": picture("data:image/png;base64,")}, URL),
        ({"messages": picture(3)}, URL),
        ({"messages": picture("data:image/png;base64,AAAA") * 17}, None),
        ({"messages": [{**picture("data:image/png;base64,AAAA")[0], "role": "system"}]},
         "messages[0]"),
    ],
)  # fmt: skip
async def test_bad_tools_shapes_and_pictures_are_named(
    client: httpx.AsyncClient, fields: dict[str, object], param: str | None
) -> None:
    assert refused(await client.post(CHAT, json={**BODY, **fields}))["param"] == param


async def test_a_question_about_pictures_needs_one(client: httpx.AsyncClient) -> None:
    assert refused(await client.post("/v1/vision", json=BODY))["param"] == "messages"
    body = {"messages": picture("data:image/png;base64,AAAA")}
    assert (await client.post("/v1/vision", json=body)).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt[0]"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": ["a", [1.5]]}, "prompt[1]"),
        ({"prompt": "\ud800"}, "prompt[0]"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "logprobs": 6}, "logprobs"),
        ({"prompt": "a", "logprobs": 1, "echo": True}, "echo"),
        ({"prompt": [1, 2], "echo": True}, "echo"),
        ({"prompt": "a", "n": 100}, "n"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
    ],
)
async def test_bad_completions_are_named(
    client: httpx.AsyncClient, body: dict[str, object], param: str
) -> None:
    error = refused(await client.post("/v1/completions", content=json.dumps(body), headers=JSON))
    assert error["param"] == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": [[0.5]]}, "input[0]"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 2**31}, "dimensions"),
    ],
)
async def test_bad_embeddings_are_named(
    client: httpx.AsyncClient, body: dict[str, object], param: str
) -> None:
    assert refused(await client.post("/v1/embeddings", json=body))["param"] == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user"}]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "computer_call"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
         "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [
            {"type": "input_image", "image_url": "https://example.org/a.png"}]}]},
         "input[0].content[0].image_url"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"type": "web_search", "name": "w"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)  # fmt: skip
async def test_bad_responses_are_named(
    client: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    response = await client.post("/v1/responses", json={"input": "Hi", **fields})
    assert refused(response)["param"] == param


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_no_response_is_kept(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/v1/responses/resp_1")
    assert answer.status_code == 404
    assert "not kept" in answer.json()["error"]["message"]
