"""The client's live streams against a gateway, over real WebSockets."""

import asyncio
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import orfeon
from services.runtime.errors import Overloaded
from tests.fakes.emotion import SECOND
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]


def said(events: list[object]) -> list[type]:
    assert isinstance(events[0], orfeon.SessionCreated)
    assert events[0].labels == ("happy", "sad")
    return [type(event) for event in events[1:]]


ALL = [
    orfeon.SpeechStarted,
    orfeon.EmotionHeard,
    orfeon.EmotionHeard,
    orfeon.SpeechStopped,
    orfeon.SessionFinished,
]


async def test_a_stream_is_followed(stage: Stage) -> None:
    async with (
        orfeon.AsyncOrfeon(stage.url, stage.secret) as gateway,
        gateway.listen(sample_rate=8000, priority=2) as live,
    ):
        events: list[object] = []

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield bytes(SECOND)

        feeding = asyncio.create_task(live.feed(pieces()))
        async for event in live:
            events.append(event)
        await feeding
    assert said(events) == ALL
    heard = events[2]
    assert isinstance(heard, orfeon.EmotionHeard)
    assert (heard.segment.label, heard.delay) == ("happy", 0.25)
    assert stage.script.requests[0].sample_rate == 8000
    assert stage.script.contexts[0].priority == 2


async def test_the_sync_client_follows_a_stream_too(stage: Stage) -> None:
    def follow() -> list[object]:
        with (
            orfeon.Orfeon(stage.url, stage.secret) as gateway,
            gateway.listen() as live,
            live.fed([bytes(SECOND)] * 3),
        ):
            return list(live)

    assert said(await asyncio.to_thread(follow)) == ALL


async def test_who_is_refused_is_told_why(stage: Stage) -> None:
    async with orfeon.AsyncOrfeon(stage.url, "sk-orf-wrong") as gateway:
        with pytest.raises(orfeon.AuthenticationError) as refused:
            async with gateway.listen():
                pass
    assert refused.value.request_id
    stage.script.error = Overloaded("The queue is full.", retry_after=2.5)
    async with orfeon.AsyncOrfeon(stage.url, stage.secret) as gateway, gateway.listen() as live:
        with pytest.raises(orfeon.RateLimitError, match="queue is full") as full:
            async for _ in live:
                pass
    assert full.value.retry_after == 2.5
    async with orfeon.AsyncOrfeon("http://127.0.0.1:9") as nowhere:
        with pytest.raises(orfeon.APIConnectionError, match="Nothing answers"):
            async with nowhere.listen():
                pass


async def test_a_stream_that_breaks_says_so(stage: Stage) -> None:
    async with orfeon.AsyncOrfeon(stage.url, stage.secret) as gateway, gateway.listen() as live:
        await live.send(bytes((1 << 20) + 1))  # Goes in several messages.
        await live.finish()
        async for event in live:
            last = event
        assert isinstance(last, orfeon.SessionFinished)
        with pytest.raises(orfeon.APIConnectionError, match="broke off"):
            await anext(aiter(live))


async def test_the_command_plays_a_file_and_reads_samples(stage: Stage, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3 * SECOND))

    def run(*arguments: str, samples: bytes | None = None) -> list[str]:
        command = [str(Path(sys.executable).parent / "orfeon"), "listen", *arguments]
        done = subprocess.run(
            [*command, "--base-url", stage.url, "--api-key", stage.secret],
            input=samples,
            stdin=subprocess.DEVNULL if samples is None else None,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().splitlines()

    played = await asyncio.to_thread(run, str(tmp_path / "voice.wav"))
    assert played[0] == "emotion-fake tells happy, sad"
    assert [line.split("s  ", 1)[1] for line in played[1:]] == [
        "somebody speaks",
        "happy 75%",
        "happy 75%",
        "silence; since 0.0 s: happy 75%",
        "the end; 3.0 s of speech",
    ]
    read = await asyncio.to_thread(run, "-", "--json", samples=bytes(2 * SECOND))
    assert len(read) == 5
    assert all(line.startswith('{"event": "') for line in read)
