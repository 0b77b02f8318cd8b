"""Emotion through the gateway: how long a clip takes, a recording of ten minutes, a live stream.

`orfeon serve` with emotion, and speech to make the clips with, and nothing else beside it.
"""

import asyncio
import io
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np

from bench.processes import cpu_seconds, process_of, serving
from bench.report import Figure, print_figures
from gateway.keystore import KeyStore
from orfeon import AsyncOrfeon, EmotionHeard
from services.runtime.audio import AudioLimits, decode

RATE = 16_000
TEXT = (
    "I told you a hundred times that the door has to be locked at night. Now look at what has "
    "happened. Who would have thought that it could be so easy?"
)
ALONE, TOGETHER, CALLERS = 60, 240, 4
MINUTES = 10
LIVE_SECONDS = 30


def speech(url: str, key: str) -> np.ndarray:
    """Somebody speaks, made by the product itself: 16 kHz mono, float32."""
    body = {"model": "tts-1", "voice": "joe", "input": TEXT, "response_format": "wav"}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{url}/v1/audio/speech", json=body, headers=headers, timeout=120)
    file = io.BytesIO(answer.raise_for_status().content)
    return decode(file, RATE, AudioLimits(max_seconds=60))


def wav(samples: np.ndarray) -> bytes:
    """A WAV file of 16 bits."""
    data: bytes = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    header = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt "
    header += bytes.fromhex("10000000 0100 0100 803e0000 007d0000 0200 1000")
    return header + b"data" + len(data).to_bytes(4, "little") + data


async def took(http: httpx.AsyncClient, clip: bytes) -> float:
    """Seconds for a clip."""
    began = time.perf_counter()
    answer = await http.post("/v1/audio/classifications", files={"file": ("clip.wav", clip)})
    answer.raise_for_status()
    return time.perf_counter() - began


async def clips(http: httpx.AsyncClient, clip: bytes, pid: int) -> list[Figure]:
    """One caller, then several at once, each after its last answer."""
    for _ in range(5):
        await took(http, clip)
    alone = [await took(http, clip) for _ in range(ALONE)]

    async def caller() -> list[float]:
        return [await took(http, clip) for _ in range(TOGETHER // CALLERS)]

    began, computed = time.perf_counter(), cpu_seconds(pid)
    several = [each for times in await asyncio.gather(*(caller() for _ in range(CALLERS)))
               for each in times]  # fmt: skip
    rate = TOGETHER / (time.perf_counter() - began)
    each_computed = (cpu_seconds(pid) - computed) / TOGETHER
    last = statistics.quantiles(several, n=100)[98]
    return [
        Figure("3 s clip, one caller, median", statistics.median(alone), "s"),
        Figure(f"3 s clip, {CALLERS} callers, median", statistics.median(several), "s", 0.25,
               at_least=False),
        Figure(f"3 s clip, {CALLERS} callers, p99", last, "s", 0.6, at_least=False),
        Figure(f"3 s clips, {CALLERS} callers", rate, "1/s"),
        Figure("3 s clip, processor time of all processes", each_computed, "s"),
    ]  # fmt: skip


async def timeline(http: httpx.AsyncClient, said: np.ndarray, pid: int) -> list[Figure]:
    """A recording of ten minutes: speech with pauses."""
    unit = np.concatenate([said, np.zeros(2 * RATE, np.float32)])
    samples = np.resize(unit, MINUTES * 60 * RATE)
    service = process_of(pid, "services.emotion")
    before = service.memory_info().rss
    began = time.perf_counter()
    answer = await http.post(
        "/v1/audio/classifications",
        files={"file": ("long.wav", wav(samples))},
        data={"stream": "true"},
    )
    answer.raise_for_status()
    seconds = time.perf_counter() - began
    assert "audio.classification.done" in answer.text
    grown = (service.memory_info().rss - before) / 1e6
    return [
        Figure(f"timeline of {MINUTES} minutes, times real time", MINUTES * 60 / seconds, "x", 20),
        Figure("the service's memory after it, more than before", grown, "MB"),
    ]


async def live(url: str, key: str, said: np.ndarray) -> list[Figure]:
    """A stream in real time: how long after the end of a stretch it is told."""
    samples = (np.resize(said, LIVE_SECONDS * RATE) * 32767).astype("<i2").tobytes()
    block = RATE // 10 * 2
    delays = []

    async def microphone() -> AsyncIterator[bytes]:
        began = time.perf_counter()
        for number, start in enumerate(range(0, len(samples), block)):
            await asyncio.sleep(max(0.0, began + number * 0.1 - time.perf_counter()))
            yield samples[start : start + block]

    async with AsyncOrfeon(url, key) as gateway, gateway.listen(sample_rate=RATE) as stream:
        feeding = asyncio.create_task(stream.feed(microphone()))
        async for event in stream:
            if isinstance(event, EmotionHeard):
                delays.append(event.delay)
        await feeding
    return [
        Figure("live stream, delay of an event, median", statistics.median(delays), "s"),
        Figure("live stream, delay of an event, longest", max(delays), "s", 1.0, at_least=False),
    ]


async def measure() -> list[Figure]:
    """Starts the product in an empty home and measures it."""
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        home = Path(name) / "home"
        home.mkdir()
        _, key = KeyStore(f"sqlite:///{home / 'orfeon.db'}").create("b", requests_per_minute=10**6)
        with serving(home, "--capabilities", "emotion,speech") as served:
            said = speech(served.url, key)
            headers = {"authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=600) as http:
                return [
                    Figure("load of the machine before", os.getloadavg()[0], ""),
                    *await clips(http, wav(said[: 3 * RATE]), served.pid),
                    *await live(served.url, key, said),
                    *await timeline(http, said, served.pid),
                ]


def main() -> None:
    """Measures and prints."""
    print_figures("Emotion through the gateway", asyncio.run(measure()))
