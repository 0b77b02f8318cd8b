import asyncio
import json
from typing import Any

import openai
import pytest

from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.errors import Internal, InvalidAudio, ModelNotFound
from tests.fakes.gateway import Stage, error_of, stage

__all__ = ["stage"]

WAV = ("clip.wav", b"RIFF" + bytes(700_000), "audio/wav")
ROUTE = "/v1/audio/classifications"
BOTH = [{"label": "happy", "score": 0.75}, {"label": "sad", "score": 0.25}]
HAPPY = {"label": "happy", "confidence": 0.75, "labels": BOTH}


async def test_a_classification(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.post(ROUTE, files={"file": WAV}, data={"priority": "0"})
    assert response.headers["x-request-priority"] == "0"
    assert [response.headers[f"x-{what}-ms"] for what in ("queue", "decode", "inference")] == [
        "1",
        "2",
        "3",
    ]
    assert response.json() == {
        "object": "audio.classification",
        "model": "emotion-fake",
        "duration": 1.5,
        **HAPPY,
        "speech": True,
        "speech_duration": 1.0,
        "fallback_for": None,
    }
    assert b"".join(stage.script.audio) == WAV[1]


async def test_where_nobody_speaks_there_is_no_label(stage: Stage) -> None:
    stage.script.pieces = []
    async with stage.http as client:
        response = await client.post(ROUTE, files={"file": WAV}, data={"timeline": "true"})
    heard = response.json()
    nothing: dict[str, Any] = {"label": None, "confidence": None, "labels": []}
    assert heard.items() >= {**nothing, "speech": False, "speech_duration": 0}.items()
    assert heard["timeline"] == [{"start": 0, "end": 1.5, **nothing, "speaker": None}]


async def test_the_answer_is_as_long_as_was_asked_for(stage: Stage) -> None:
    async with stage.http as client:
        for fields in ({"top_k": "1"}, {"threshold": "0.5"}):
            form = {**fields, "timeline": "true", "speakers": "true"}
            heard = (await client.post(ROUTE, files={"file": WAV}, data=form)).json()
            for part in (heard, *heard["timeline"], *heard["speakers"]):
                assert part["labels"] == BOTH[:1]
        none = await client.post(ROUTE, files={"file": WAV}, data={"threshold": "1"})
    assert none.json()["labels"] == []
    assert (none.json()["label"], none.json()["speech"]) == ("happy", True)


async def test_a_timeline_and_speakers(stage: Stage) -> None:
    form = {"model": "mine", "timeline": "true", "speakers": "true"}
    async with stage.http as client:
        heard = (await client.post(ROUTE, files={"file": WAV}, data=form)).json()
    assert heard["timeline"] == [{"start": 0, "end": 1.5, **HAPPY, "speaker": None}]
    spans = [{"start": 0, "end": 0.5}, {"start": 1, "end": 1.5}]
    assert heard["speakers"] == [{"speaker": "A", "duration": 1, "spans": spans, **HAPPY}]
    [config] = stage.script.requests
    assert (config.model, config.timeline, config.speakers) == ("mine", True, True)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("auto", emotion_pb2.FALLBACK_UNSPECIFIED),
        ("never", emotion_pb2.FALLBACK_NEVER),
        ("always", emotion_pb2.FALLBACK_ALWAYS),
    ],
)
async def test_a_faster_model_says_for_which_it_answers(
    stage: Stage, asked: str, sent: int
) -> None:
    async with stage.http as client:
        response = await client.post(ROUTE, files={"file": WAV}, data={"fallback": asked})
    assert stage.script.requests[0].fallback == sent
    heard = response.json()
    instead = ("emotion-fast", "emotion-fake") if asked == "always" else ("emotion-fake", None)
    assert (heard["model"], heard["fallback_for"]) == instead


@pytest.mark.parametrize("name", ["file", "file[]"])
async def test_several_recordings_are_answered_in_order(stage: Stage, name: str) -> None:
    files = [(name, (f"{n}.wav", b"RIFF" + bytes(n), "audio/wav")) for n in range(1, 9)]
    async with stage.http as client:
        response = await client.post(ROUTE, files=files)
    told = response.json()
    assert told["object"] == "list"
    assert [one["label"] for one in told["data"]] == ["happy"] * 8
    assert sorted(map(len, stage.script.audio)) == [5, 6, 7, 8, 9, 10, 11, 12]
    assert response.headers["x-inference-ms"] == "24"


async def test_one_bad_recording_of_several_is_named(stage: Stage) -> None:
    files = [("file", WAV), ("file", ("empty.wav", b"", "audio/wav"))]
    async with stage.http as client:
        empty = await client.post(ROUTE, files=files)
        stage.script.error = InvalidAudio("This is no audio.", param="file")
        unread = await client.post(ROUTE, files=[("file", WAV)] * 2)
    assert (empty.status_code, error_of(empty)["param"]) == (400, "file[1]")
    assert unread.status_code == 400
    assert error_of(unread)["param"] in ("file[0]", "file[1]")


async def test_a_timeline_as_events(stage: Stage) -> None:
    form = {"stream": "true", "speakers": "true"}
    async with stage.http as client:
        response = await client.post(ROUTE, files={"file": WAV}, data=form)
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, done, _ = response.text.split("\n\n")
    assert done == "data: [DONE]"
    *segments, whole = [json.loads(event.removeprefix("data: ")) for event in events]
    assert segments == [
        {"type": "audio.classification.segment", "start": n, "end": n + 1, **HAPPY, "speaker": None}
        for n in range(3)
    ]
    assert whole["type"] == "audio.classification.done"
    assert whole["duration"] == 1.5
    assert "timeline" not in whole
    assert whole["speakers"][0]["speaker"] == "A"
    assert stage.script.requests[0].timeline


async def test_a_timeline_comes_as_it_is_known_and_ends_with_its_reader(stage: Stage) -> None:
    stage.script.hold = True
    async with (
        stage.http as client,
        client.stream("POST", ROUTE, files={"file": WAV}, data={"stream": "true"}) as response,
    ):
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith("data: ")
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_a_timeline_that_breaks_says_so(stage: Stage) -> None:
    stage.script.error, stage.script.error_after = Internal("It broke."), 2
    async with stage.http as client:
        broken = await client.post(ROUTE, files={"file": WAV}, data={"stream": "true"})
        stage.script.error, stage.script.error_after = ModelNotFound("None.", param="model"), 0
        refused = await client.post(ROUTE, files={"file": WAV}, data={"stream": "true"})
        stage.script.error, stage.script.finishes = None, False
        cut = await client.post(ROUTE, files={"file": WAV}, data={"stream": "true"})
    for response in (broken, cut):
        last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
        assert last["error"]["code"] == "internal_error"
    assert (refused.status_code, error_of(refused)["param"]) == (404, "model")


async def test_a_client_that_leaves_cancels_a_classification(stage: Stage) -> None:
    stage.script.hold = True
    async with stage.http as client:
        request = asyncio.create_task(client.post(ROUTE, files=[("file", WAV)] * 3))
        await asyncio.wait_for(stage.script.started.wait(), 20)
        request.cancel()
        await asyncio.wait([request])
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_openais_client_reaches_it(stage: Stage) -> None:
    async with stage.client as client:

        async def ask() -> Any:
            return await client.post(
                ROUTE.removeprefix("/v1"),
                cast_to=object,
                files={"file": WAV},
                options={"headers": {"content-type": "multipart/form-data"}},
            )

        assert (await ask())["label"] == "happy"
        stage.script.error = InvalidAudio("This is no audio.", param="file")
        with pytest.raises(openai.BadRequestError) as caught:
            await ask()
    assert (caught.value.code, caught.value.param) == ("invalid_audio", "file")
