"""The guide that sings the words: each line spoken by the speech service, then put on its notes."""

import asyncio
from contextlib import aclosing

import numpy as np

from orfeon.api.speech.v1 import speech_pb2
from services.runtime.connection import answers
from services.runtime.encode import encoded
from services.song import vocals as guide
from services.song.sound import Samples
from services.song.steps.compose import SCORE
from services.song.steps.computing import computed
from services.song.steps.making import Making, Output
from services.song.words import Score, Words

VOCALS = "vocals.flac"

#: The share of the step after which all lines are spoken.
_SPOKEN = 0.6


async def sing(making: Making) -> Output:
    """Leaves the guide alone, for the mix and as an artifact."""
    folder = making.folder
    words = Words.from_json(await asyncio.to_thread(folder.artifact_bytes, "lyrics.json"))
    score = Score.from_json(await asyncio.to_thread(folder.kept, SCORE))
    spoken: dict[str, Samples] = {}
    for at, line in enumerate(words.lines):
        if line.text not in spoken:
            # A chorus that returns is spoken once.
            spoken[line.text] = await _spoken(making, line.text)
        making.reached(_SPOKEN * (at + 1) / len(words.lines))
    lines = [
        guide.Line(notes, spoken[line.text])
        for line, notes in zip(words.lines, score.lines, strict=True)
    ]
    seconds = float(making.facts["duration_seconds"])
    sung = await computed(lambda cancelled: guide.sing(lines, seconds, cancelled))
    making.reached(0.9)
    kept, published = await computed(
        lambda cancelled: (
            encoded(sung, "flac", guide.SUNG_RATE, lambda: cancelled.is_set),
            encoded(sung, "mp3", guide.SUNG_RATE, lambda: cancelled.is_set),
        )
    )
    await making.keep({VOCALS: kept})
    await making.publish({"vocals.mp3": published})
    return {"facts": {}, "files": [VOCALS, "vocals.mp3"]}


async def _spoken(making: Making, text: str) -> Samples:
    async def ask() -> bytes:
        call = making.upstreams.speech.Synthesize(
            speech_pb2.SynthesizeRequest(input=text, format=speech_pb2.AUDIO_FORMAT_PCM),
            metadata=making.context.metadata(),
        )
        async with aclosing(answers(call)) as parts:
            return b"".join([part.audio async for part in parts])

    data = await making.patience.until_done("speech", ask)
    return (np.frombuffer(data, "<i2") / 32768).astype(np.float32)
