import asyncio
import base64
import json
from typing import Any

import httpx
import openai
import pytest

from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import Internal, InvalidAudio
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]

WAV = ("clip.wav", b"RIFF" + bytes(700_000), "audio/wav")


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of an answer, which must have an end."""
    *events, done, _ = response.text.split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_speech_comes_byte_for_byte(stage: Stage) -> None:
    async with stage.client as client:
        speech = await client.audio.speech.create(
            model="tts-1", voice="joe", input="Hello.", response_format="opus", speed=2
        )
        assert await speech.aread() == "Hello, wörld".encode()
    assert speech.response.headers["content-type"] == "audio/ogg"
    sent = stage.script.requests[0]
    assert (sent.model, sent.voice, sent.input, sent.speed) == ("tts-1", "joe", "Hello.", 2)
    assert sent.format == speech_pb2.AUDIO_FORMAT_OPUS


@pytest.mark.parametrize(
    ("audio_format", "media_type"),
    [
        (None, "audio/mpeg"),
        ("mp3", "audio/mpeg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
    ],
)
async def test_each_format_has_its_media_type(
    stage: Stage, audio_format: str | None, media_type: str
) -> None:
    body = {"input": "Hello.", "voice": {"id": "joe"}, "response_format": audio_format}
    async with stage.http as client:
        response = await client.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"] == media_type
    assert stage.script.requests[0].voice == "joe"


async def test_the_first_bytes_do_not_wait_for_the_last(stage: Stage) -> None:
    stage.script.hold = True
    async with (
        stage.http as client,
        client.stream("POST", "/v1/audio/speech", json={"input": "Hi."}) as response,
    ):
        assert await anext(response.aiter_raw()) == b"Hello"
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_speech_as_events(stage: Stage) -> None:
    body = {"input": "Hello.", "stream_format": "sse"}
    async with stage.http as client:
        response = await client.post("/v1/audio/speech", json=body)
    data = events_of(response)
    assert [one["type"] for one in data] == ["speech.audio.delta"] * 3 + ["speech.audio.done"]
    audio = b"".join(base64.b64decode(one["audio"]) for one in data[:-1])
    assert audio == "Hello, wörld".encode()
    assert data[-1]["usage"]["characters"] == 6


async def test_speech_that_breaks_is_not_taken_for_whole(stage: Stage) -> None:
    stage.script.error, stage.script.error_after = Internal("It broke."), 2
    async with stage.client as client:
        with pytest.raises(openai.APIConnectionError):
            await client.audio.speech.create(model="tts-1", voice="joe", input="Hello.")


async def test_voices(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.get("/v1/audio/voices")
    assert response.json() == {
        "object": "list",
        "data": [{"id": "joe", "object": "voice", "model": "org/fake-voice", "language": "en-US"}],
    }


async def test_a_transcript_in_json_and_the_upload_in_messages(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.audio.transcriptions.create(
            file=WAV, model="whisper-1", language="es", prompt="Nombres", temperature=0.5
        )
    assert answer.text == "Hello, wörld"
    assert answer.usage is not None
    assert answer.usage.to_dict() == {"type": "duration", "seconds": 3.5}
    assert b"".join(stage.script.audio) == WAV[1]
    assert max(map(len, stage.script.audio)) == 256 * 1024
    config = stage.script.requests[0]
    assert (config.model, config.language, config.prompt) == ("whisper-1", "es", "Nombres")
    assert config.task == speech_pb2.TASK_TRANSCRIBE
    assert config.temperature == 0.5
    assert not config.word_timestamps


async def test_a_verbose_transcript_has_words_and_segments(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.audio.transcriptions.create(
            file=WAV,
            model="whisper-1",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    assert answer.language == "spanish"
    assert float(answer.duration) == 3.5
    assert answer.segments is not None
    assert [segment.text for segment in answer.segments] == ["Hello", ", ", "wörld"]
    assert answer.segments[1].tokens == [1, 2]
    assert answer.words is not None
    assert [(word.word, word.start, word.end) for word in answer.words] == [
        ("Hello", 0, 0.5),
        (",", 1, 1.5),
        ("wörld", 2, 2.5),
    ]
    assert stage.script.requests[0].word_timestamps


@pytest.mark.parametrize(
    ("response_format", "media_type", "start"),
    [
        ("text", "text/plain", "Hello, wörld\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello\n\n"),
    ],
)
async def test_transcripts_as_text(
    stage: Stage, response_format: str, media_type: str, start: str
) -> None:
    async with stage.http as client:
        response = await client.post(
            "/v1/audio/transcriptions",
            files={"file": WAV},
            data={"model": "whisper-1", "response_format": response_format},
        )
    assert response.headers["content-type"].startswith(media_type)
    assert response.text.startswith(start)


async def test_a_transcript_as_events(stage: Stage) -> None:
    async with stage.client as client:
        stream = await client.audio.transcriptions.create(file=WAV, model="whisper-1", stream=True)
        events = [event async for event in stream]
    assert [event.type for event in events] == [
        *["transcript.text.delta"] * 3,
        "transcript.text.done",
    ]
    assert getattr(events[-1], "text") == "Hello, wörld"  # noqa: B009 (a union of events)


async def test_the_events_of_a_verbose_transcript_tell_times_and_end_with_the_whole_answer(
    stage: Stage,
) -> None:
    fields: Any = {
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
    }
    async with stage.http as client:
        asked: Any = {"files": {"file": WAV}, "data": fields}
        whole = await client.post("/v1/audio/transcriptions", **asked)
        fields["stream"] = "true"
        streamed = await client.post("/v1/audio/transcriptions", **asked)
    *told, last = events_of(streamed)
    assert told[:2] == [
        {"type": "transcript.text.delta", "delta": "Hello"},
        {"type": "transcript.text.segment", "id": 0, "start": 0, "end": 1, "text": "Hello"},
    ]
    assert len(told) == 6
    assert last == {"type": "transcript.text.done", **whole.json()}
    assert len(last["segments"]) == len(last["words"]) == 3


async def test_a_translation_can_be_followed_too(stage: Stage) -> None:
    form = {"response_format": "verbose_json", "stream": "true"}
    async with stage.http as client:
        answer = await client.post("/v1/audio/translations", files={"file": WAV}, data=form)
    last = events_of(answer)[-1]
    assert (last["task"], last["language"], last["text"]) == (
        "translate",
        "english",
        "Hello, wörld",
    )
    assert stage.script.requests[0].task == speech_pb2.TASK_TRANSLATE


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Of OpenAI's client, in its newest form.
async def test_a_translation(stage: Stage) -> None:
    async with stage.client as client:
        answer = await client.audio.translations.create(
            file=WAV, model="whisper-1", response_format="verbose_json"
        )
    assert answer.language == "english"
    assert stage.script.requests[0].task == speech_pb2.TASK_TRANSLATE


async def test_a_client_that_leaves_cancels_a_transcript(stage: Stage) -> None:
    stage.script.hold = True
    async with stage.http as client:
        request = asyncio.create_task(client.post("/v1/audio/transcriptions", files={"file": WAV}))
        await asyncio.wait_for(stage.script.started.wait(), 20)
        request.cancel()
        await asyncio.wait([request])
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_audio_that_cannot_be_read_is_a_bad_request(stage: Stage) -> None:
    stage.script.error = InvalidAudio("This is no audio.", param="file")
    async with stage.client as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.audio.transcriptions.create(file=WAV, model="whisper-1")
    assert (caught.value.code, caught.value.param) == ("invalid_audio", "file")
