import asyncio
import json

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import ContextLengthExceeded, Internal, ModelLoading, Overloaded
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]

QUESTION: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Why?"}]
BODY = {"model": "fake-chat", "messages": QUESTION}


async def test_a_whole_answer(stage: Stage) -> None:
    async with stage.client as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="fake-chat",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
            ],
            max_completion_tokens=9,
            temperature=0,
            top_p=0,
            seed=3,
            stop="END",
            response_format={"type": "json_object"},
            extra_headers={"x-request-id": "mine-1"},
            extra_body={"nobody_knows_this": {"a": 1}},
        )
        answer = raw.parse()
    assert answer.choices[0].message.content == "Hello, wörld"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "fake-chat"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert answer.system_fingerprint
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["x-request-priority"] == "1"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    sent = stage.script.requests[0]
    assert [message.role for message in sent.messages] == [
        chat_pb2.ROLE_SYSTEM,
        chat_pb2.ROLE_USER,
    ]
    assert [part.text for message in sent.messages for part in message.content] == [
        "Be brief.",
        "Why?",
    ]
    options = sent.options
    assert (options.max_tokens, options.temperature, options.seed) == (9, 0, 3)
    assert 0 < options.top_p < 0.001
    assert not options.HasField("presence_penalty")
    assert not options.HasField("choices")
    assert list(options.stop) == ["END"]
    assert sent.response_format.type == chat_pb2.RESPONSE_FORMAT_TYPE_JSON_OBJECT
    context = stage.script.contexts[0]
    assert context.request_id == "mine-1"
    assert context.key_id.startswith("key_")
    assert context.deadline is not None


async def test_a_streamed_answer(stage: Stage) -> None:
    async with stage.client as client:
        stream = await client.chat.completions.create(
            model="gpt-fake",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    *normal, last = chunks
    assert [choice.delta.role for chunk in normal for choice in chunk.choices] == [
        "assistant", None, None, None, None,
    ]  # fmt: skip
    text = "".join(chunk.choices[0].delta.content or "" for chunk in normal)
    assert text == "Hello, wörld"
    assert [chunk.choices[0].finish_reason for chunk in normal] == [None] * 4 + ["stop"]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 10


async def test_the_framing_of_events(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.post("/v1/chat/completions", json={**BODY, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    *events, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    for event in events:
        assert event.startswith("data: ")
        assert "\n" not in event
        assert "usage" not in json.loads(event[6:])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_work(stage: Stage, stream: bool) -> None:
    stage.script.hold = True
    async with stage.http as client:
        request = asyncio.create_task(
            client.post("/v1/chat/completions", json={**BODY, "stream": stream})
        )
        await asyncio.wait_for(stage.script.started.wait(), 20)
        request.cancel()
        await asyncio.wait([request])
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_failures_before_the_first_piece_have_their_status(stage: Stage) -> None:
    async with stage.client as client:
        for error, kind in (
            (ContextLengthExceeded("Too long."), openai.BadRequestError),
            (Overloaded("Full.", retry_after=1.5), openai.RateLimitError),
            (ModelLoading("Loading.", retry_after=3), openai.InternalServerError),
            (RuntimeError("our secret"), openai.InternalServerError),
        ):
            stage.script.error = error
            for stream in (False, True):
                with pytest.raises(kind) as caught:
                    await client.chat.completions.create(
                        model="fake-chat", messages=QUESTION, stream=stream
                    )
                assert caught.value.request_id
                assert "secret" not in str(caught.value)
        stage.script.error = None
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="nothing", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    assert missing.value.param == "model"


async def test_a_refusal_says_when_to_come_back(stage: Stage) -> None:
    stage.script.error = Overloaded("Full.", retry_after=1.5)
    async with stage.http as client:
        response = await client.post("/v1/chat/completions", json=BODY)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.headers["retry-after-ms"] == "1500"
    assert response.json()["error"]["code"] == "overloaded"
    assert response.headers["x-ratelimit-limit-requests"]


async def test_a_failure_in_the_middle_is_the_last_event(stage: Stage) -> None:
    stage.script.error, stage.script.error_after = Internal("It broke."), 2
    text = ""
    async with stage.client as client:
        stream = await client.chat.completions.create(
            model="fake-chat", messages=QUESTION, stream=True
        )
        with pytest.raises(openai.APIError, match="It broke"):  # noqa: PT012 (a stream is read)
            async for chunk in stream:
                text += chunk.choices[0].delta.content or ""
    assert text == "Hello, "
    async with stage.http as http:
        response = await http.post("/v1/chat/completions", json={**BODY, "stream": True})
    last = response.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"


async def test_a_stream_that_ends_too_soon_is_a_failure(stage: Stage) -> None:
    stage.script.finishes = False
    async with stage.client as client:
        stream = await client.chat.completions.create(
            model="fake-chat", messages=QUESTION, stream=True
        )
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass


@pytest.mark.parametrize(
    ("floor", "headers", "body", "applied"),
    [
        (0, {}, {}, "1"),
        (0, {}, {"priority": 0}, "0"),
        (0, {"x-request-priority": "2"}, {"priority": 0}, "2"),
        (1, {"x-request-priority": "0"}, {}, "1"),
        (0, {}, {"service_tier": "flex"}, "2"),
        (0, {}, {"service_tier": "priority"}, "0"),
        (2, {}, {"service_tier": "priority"}, "2"),
        (0, {}, {"service_tier": "auto", "priority": None}, "1"),
    ],
)
async def test_priority_is_capped_and_echoed(
    stage: Stage, floor: int, headers: dict[str, str], body: dict[str, object], applied: str
) -> None:
    _, secret = stage.keys.create("other", priority_floor=floor)
    headers = {**headers, "authorization": f"Bearer {secret}"}
    async with stage.http as client:
        response = await client.post("/v1/chat/completions", json={**BODY, **body}, headers=headers)
    assert response.status_code == 200
    assert response.headers["x-request-priority"] == applied
    assert stage.script.contexts[0].priority == int(applied)
