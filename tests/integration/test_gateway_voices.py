import asyncio
import base64
import json
import struct
from pathlib import Path

import openai
import pytest

from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import InvalidAudio, ServiceUnavailable
from tests.fakes.gateway import Stage, error_of, stage, staged

__all__ = ["stage"]

WAV = ("two talk.wav", b"RIFF" + bytes(1_000), "audio/wav")
TRANSCRIPTIONS = "/v1/audio/transcriptions"
REFERENCE = "data:audio/wav;base64,eA=="
EMOTIONAL = {"response_format": "verbose_json", "include[]": "emotion"}


async def test_who_speaks_when(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.post(
            "/v1/audio/diarization", files={"file": WAV}, data={"speaker_count": "3"}
        )
    turn = {"speaker": "A", "label": "A"}
    assert response.json() == {
        "task": "diarize",
        "model": "speaker-fake",
        "duration": 1.5,
        "num_speakers": 1,
        "segments": [
            {"id": 0, **turn, "start": 0, "end": 0.5},
            {"id": 1, **turn, "start": 1, "end": 1.5},
        ],
        "speakers": [{"id": "A", "label": "A", "total_speech_duration": 1, "segment_count": 2}],
    }
    assert stage.script.requests[0].speaker_count == 3


async def test_known_speakers_are_called_by_their_names(stage: Stage) -> None:
    voice = bytes(6_000_000)  # Half a minute as people record it: more than a field has elsewhere.
    names = ["Ana María", "Ben", "Cleo", "Dan"]
    form = {
        "known_speaker_names[]": names,
        "known_speaker_references[]": [
            f"data:audio/wav;base64,{base64.b64encode(voice).decode()}" for _ in names
        ],
        "response_format": "rttm",
    }
    async with stage.http as client:
        response = await client.post("/v1/audio/diarization", files={"file": WAV}, data=form)
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == (
        "SPEAKER two_talk 1 0.000 0.500 <NA> <NA> Ana_María <NA> <NA>\n"
        "SPEAKER two_talk 1 1.000 0.500 <NA> <NA> Ana_María <NA> <NA>\n"
    )
    [config] = stage.script.requests
    assert [known.name for known in config.known] == names
    assert all(known.audio == voice for known in config.known)


@pytest.mark.parametrize("names", [["Ana", "Ana "], ["Ana", " "], ["Ana", "x" * 101]])
async def test_names_of_known_speakers_are_short_and_their_own(
    stage: Stage, names: list[str]
) -> None:
    form = {"known_speaker_names[]": names, "known_speaker_references[]": [REFERENCE] * 2}
    async with stage.http as client:
        refused = await client.post("/v1/audio/diarization", files={"file": WAV}, data=form)
    assert refused.status_code == 400
    assert str(error_of(refused)["param"]).startswith("known_speaker_names[]")
    assert stage.script.requests == []


async def test_a_known_voice_that_will_not_do_is_called_by_its_field(stage: Stage) -> None:
    stage.script.error = InvalidAudio("This is no audio.", param="known[1]")
    form = {"known_speaker_names[]": ["Ana"], "known_speaker_references[]": [REFERENCE]}
    async with stage.http as client:
        refused = await client.post("/v1/audio/diarization", files={"file": WAV}, data=form)
    assert (refused.status_code, error_of(refused)["param"]) == (
        400,
        "known_speaker_references[][1]",
    )


async def test_voices_have_vectors_in_openais_shape(stage: Stage) -> None:
    async with stage.http as client:
        plain = await client.post("/v1/audio/embeddings", files=[("file", WAV)] * 2)
        packed = await client.post(
            "/v1/audio/embeddings", files={"file": WAV}, data={"encoding_format": "base64"}
        )
    answer = openai.types.CreateEmbeddingResponse.model_validate(plain.json())
    assert [row.index for row in answer.data] == [0, 1]
    assert [round(number, 3) for number in answer.data[0].embedding] == [0.6, 0, 0.8]
    assert plain.json()["data"][1]["speech_duration"] == 1
    vector = struct.unpack("<3f", base64.b64decode(packed.json()["data"][0]["embedding"]))
    assert [round(number, 3) for number in vector] == [0.6, 0, 0.8]


async def test_keywords_are_found_in_what_is_said(stage: Stage) -> None:
    form = {"keywords[]": ["Wörld!", "hallo", "nothing"], "language": "es", "model": "mine"}
    async with stage.http as client:
        response = await client.post("/v1/audio/keywords", files={"file": WAV}, data=form)
    match = {"probability": 1, "similarity": 0.8}
    assert response.json() == {
        "object": "list",
        "model": "whisper-fake",
        "language": "spanish",
        "duration": 3.5,
        "data": [
            {"keyword": "hallo", "text": "Hello", "start": 0, "end": 0.5, **match},
            {
                "keyword": "Wörld!",
                "text": "wörld",
                "start": 2,
                "end": 2.5,
                **match,
                "similarity": 1,
            },
        ],
    }
    [config] = stage.script.requests
    assert (config.model, config.language, config.word_timestamps) == ("mine", "es", True)
    assert config.task == speech_pb2.TASK_TRANSCRIBE


async def test_segments_of_a_transcript_tell_the_emotion(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.audio.transcriptions.create(  # type: ignore[call-overload]
            file=WAV,
            model="whisper-1",
            response_format="verbose_json",
            include=["emotion"],
        )
    happy = {
        "label": "happy",
        "confidence": 0.75,
        "labels": [{"label": "happy", "score": 0.75}, {"label": "sad", "score": 0.25}],
    }
    assert answer.segments is not None
    told = [getattr(segment, "emotion") for segment in answer.segments]  # noqa: B009
    assert told == [happy, None, happy]
    _, config = stage.script.requests
    assert [(span.start, span.end) for span in config.spans] == [(0, 1), (1, 2), (2, 3)]
    assert b"".join(stage.script.audio) == 2 * WAV[1]


@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_the_last_event_of_a_stream_tells_the_emotion(stage: Stage, route: str) -> None:
    form = {**EMOTIONAL, "stream": "true"}
    async with stage.http as client:
        answer = await client.post(f"/v1/audio/{route}", files={"file": WAV}, data=form)
    *told, done, end, _ = answer.text.split("\n\n")
    assert end == "data: [DONE]"
    assert '"emotion"' not in "".join(told)
    last = json.loads(done.removeprefix("data: "))
    labels = [segment["emotion"] and segment["emotion"]["label"] for segment in last["segments"]]
    assert labels == ["happy", None, "happy"]


async def test_a_stream_whose_emotion_fails_has_told_the_words(tmp_path: Path) -> None:
    async with staged(tmp_path, retry_seconds=0) as stage, stage.http as client:
        transcribe = stage.script.play

        async def away(config, context):  # type: ignore[no-untyped-def]
            if isinstance(config, emotion_pb2.ClassifyConfig):
                raise ServiceUnavailable("Away.", retry_after=2)
            async for piece in transcribe(config, context):
                yield piece

        stage.script.play = away  # type: ignore[method-assign]
        form = {**EMOTIONAL, "stream": "true"}
        answer = await client.post(TRANSCRIPTIONS, files={"file": WAV}, data=form)
    *told, last, _ = answer.text.split("\n\n")
    assert len(told) == 6
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "service_unavailable"


async def test_what_nobody_says_has_no_emotion_to_ask_for(stage: Stage) -> None:
    stage.script.pieces = []
    async with stage.http as client:
        response = await client.post(TRANSCRIPTIONS, files={"file": WAV}, data=EMOTIONAL)
    assert response.json()["segments"] == []
    assert len(stage.script.requests) == 1


async def test_the_emotion_in_a_transcript_needs_its_scope_and_its_service(tmp_path: Path) -> None:
    async with staged(tmp_path, retry_seconds=0) as stage, stage.http as client:
        _, speech = stage.keys.create("speech", scopes={"speech"})
        headers = {"authorization": f"Bearer {speech}"}
        asked = {"files": {"file": WAV}, "headers": headers}
        plain = {"response_format": "verbose_json"}
        assert (await client.post(TRANSCRIPTIONS, **asked, data=plain)).status_code == 200  # type: ignore[arg-type]
        refused = await client.post(TRANSCRIPTIONS, **asked, data=EMOTIONAL)  # type: ignore[arg-type]
        assert (refused.status_code, error_of(refused)["code"]) == (403, "missing_scope")

        transcribe = stage.script.play

        async def away(config, context):  # type: ignore[no-untyped-def]
            if isinstance(config, emotion_pb2.ClassifyConfig):
                raise ServiceUnavailable("Away.", retry_after=2)
            async for piece in transcribe(config, context):
                yield piece

        stage.script.play = away  # type: ignore[method-assign]
        lost = await client.post(TRANSCRIPTIONS, files={"file": WAV}, data=EMOTIONAL)
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "2")
        assert error_of(lost)["code"] == "service_unavailable"


async def test_audio_that_cannot_be_read_is_named_everywhere(stage: Stage) -> None:
    stage.script.error = InvalidAudio("This is no audio.", param="file")
    async with stage.http as client:
        for route in ("diarization", "embeddings", "keywords"):
            form = {"keywords[]": "yes"}
            answer = await client.post(f"/v1/audio/{route}", files={"file": WAV}, data=form)
            assert answer.status_code == 400
            assert (error_of(answer)["code"], error_of(answer)["param"]) == (
                "invalid_audio",
                "file",
            )


async def test_who_leaves_cancels_the_work(stage: Stage) -> None:
    for route in ("diarization", "embeddings", "keywords"):
        stage.script.hold = True
        stage.script.started.clear()
        stage.script.cancelled.clear()
        async with stage.http as client:
            form = {"keywords[]": "yes"}
            asking = asyncio.create_task(
                client.post(f"/v1/audio/{route}", files={"file": WAV}, data=form)
            )
            await asyncio.wait_for(stage.script.started.wait(), 20)
            asking.cancel()
            await asyncio.wait([asking])
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)
