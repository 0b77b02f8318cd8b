"""The web app's transcripts through a real gateway, by OpenAI's client."""

import asyncio
from pathlib import Path

import openai
import pytest

from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import InvalidAudio
from services.studio.subtitles import Said
from services.studio.transcribing import Transcript, Wish, follow
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]


SOUND = b"RIFF" + bytes(700_000)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "my secret.wav"
    path.write_bytes(SOUND)
    return path


@pytest.mark.parametrize("translate", [False, True])
async def test_a_recording_is_written_down_with_what_the_voice_tells(
    stage: Stage, recording: Path, translate: bool
) -> None:
    transcript = Transcript()
    async with stage.client as client:
        await follow(client, recording, Wish("es", translate), transcript)
    assert transcript.segments == [
        Said(0, 1, "Hello", "happy", 0.75),
        Said(1, 2, ", "),
        Said(2, 3, "wörld", "happy", 0.75),
    ]
    assert (transcript.duration, transcript.done) == (3.5, True)
    assert transcript.language == ("english" if translate else "spanish")
    config = stage.script.requests[0]
    task = speech_pb2.TASK_TRANSLATE if translate else speech_pb2.TASK_TRANSCRIBE
    assert (config.task, config.language) == (task, "" if translate else "es")
    # Once for the words, once for the feelings.
    assert b"".join(stage.script.audio) == 2 * SOUND


async def test_what_cannot_be_read_is_a_refusal(stage: Stage, recording: Path) -> None:
    stage.script.error = InvalidAudio("This is no audio.", param="file")
    async with stage.client as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await follow(client, recording, Wish(), Transcript())
    assert caught.value.code == "invalid_audio"


async def test_who_stops_a_transcript_cancels_the_work_on_it(stage: Stage, recording: Path) -> None:
    stage.script.hold = True
    transcript = Transcript()
    async with stage.client as client:
        following = asyncio.create_task(follow(client, recording, Wish(), transcript))
        await asyncio.wait_for(stage.script.started.wait(), 20)
        following.cancel()
        await asyncio.wait([following])
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)
    assert not transcript.done
