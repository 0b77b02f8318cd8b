"""The first step of a song from a voice: what mood it is in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.connection import answer
from services.song.steps.making import Making, Output
from services.song.wish import MOODS

_MESSAGE_BYTES = 256 * 1024


async def hear(making: Making) -> Output:
    """Asks for the emotion in the voice. The recording is removed once that is recorded."""

    async def ask() -> emotion_pb2.ClassifyResponse:
        call = making.upstreams.emotion.Classify(
            _messages(making.folder.voice()), metadata=making.context.metadata()
        )
        return await answer(call)

    heard = await making.patience.until_done("emotion", ask)
    # Words are written for some moods alone; models of others' may hear more.
    known = [one for one in heard.labels if one.label in MOODS]
    facts = {"mood": known[0].label, "mood_probability": known[0].score} if known else {}
    return {"facts": facts, "files": []}


async def _messages(voice: Path) -> AsyncIterator[emotion_pb2.ClassifyRequest]:
    yield emotion_pb2.ClassifyRequest(config=emotion_pb2.ClassifyConfig())
    with await asyncio.to_thread(voice.open, "rb") as file:
        while data := await asyncio.to_thread(file.read, _MESSAGE_BYTES):
            yield emotion_pb2.ClassifyRequest(audio=data)
