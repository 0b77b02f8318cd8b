"""The whole product on its default models, against the bare libraries on the same machine.

Rounds alternate product and library, with the same threads, weights and inputs; outputs are
compared before any ratio is printed.
"""

import difflib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai

from bench.processes import resident_bytes, serving
from bench.report import Figure, print_figures, spread
from gateway.keystore import KeyStore
from orfeon.capabilities import known_capabilities

ROUNDS = 5
PROMPT = "Tell me a long story about a lighthouse keeper and the sea."
MAX_TOKENS = 160
SENTENCES = (
    "The ferry left the harbour a little before dawn. Nobody on deck said a word for the first "
    "hour. Then the sun came up behind the islands and the whole sea turned to copper. An old "
    "man began to sing quietly to himself. By the time we reached the open water everyone on "
    "board had joined him."
)


class Plain:
    """A bare library in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def __call__(self, **argument: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(argument) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        return result


@contextmanager
def plain(home: Path, work: str, threads: int) -> Iterator[Plain]:
    """Starts a bare library and waits until it has loaded."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.plain", str(home), work, str(threads)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the bare library for {work} did not start")
        yield Plain(process)
    finally:
        process.kill()
        process.wait()


def chat(client: openai.OpenAI, home: Path, threads: int) -> list[Figure]:
    """Tokens per second, streamed."""
    ours, theirs = [], []
    message: Any = {"role": "user", "content": PROMPT}
    with plain(home, "chat", threads) as library:
        for _ in range(ROUNDS):
            result = library(text=PROMPT, max_tokens=MAX_TOKENS)
            theirs.append((result["tokens"] - 1) / result["seconds"])
            moments = []
            for chunk in client.chat.completions.create(
                model="smollm2-135m-instruct", messages=[message], stream=True,
                max_tokens=MAX_TOKENS, temperature=0.0,
            ):  # fmt: skip
                if chunk.choices and chunk.choices[0].delta.content:
                    moments.append(time.perf_counter())
            ours.append((len(moments) - 1) / (moments[-1] - moments[0]))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure("chat, llama-cpp-python alone", statistics.median(theirs), "tok/s"),
        Figure("chat, through the gateway", statistics.median(ours), "tok/s"),
        Figure("chat, gateway : alone", statistics.median(ratios), "x", 0.95, note=spread(ratios)),
    ]


def transcription(client: openai.OpenAI, home: Path, threads: int, file: Path) -> list[Figure]:
    """Seconds for the same file."""
    ours, theirs = [], []
    with plain(home, "transcribe", threads) as library:
        for _ in range(ROUNDS):
            result = library(file=str(file))
            theirs.append(result["seconds"])
            began = time.perf_counter()
            answer = client.audio.transcriptions.create(model="whisper-base", file=file)
            ours.append(time.perf_counter() - began)
            # Two resamplers: a word may differ, but not so many that the work does.
            ours_heard, theirs_heard = answer.text.split(), result["text"].split()
            if difflib.SequenceMatcher(None, ours_heard, theirs_heard).ratio() < 0.9:
                raise RuntimeError("the transcripts differ; the times cannot be compared")
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure("transcription, faster-whisper alone", statistics.median(theirs), "s"),
        Figure("transcription, through the gateway", statistics.median(ours), "s"),
        Figure("transcription, gateway : alone", statistics.median(ratios), "x", 1.10,
               at_least=False, note=spread(ratios)),
    ]  # fmt: skip


def speech(client: openai.OpenAI, home: Path, threads: int) -> list[Figure]:
    """Seconds until something can be heard, of a text of five sentences."""
    ours, theirs = [], []
    with plain(home, "speak", threads) as library:
        for _ in range(ROUNDS):
            theirs.append(library(text=SENTENCES)["seconds"])
            began = time.perf_counter()
            with client.audio.speech.with_streaming_response.create(
                model="tts-1", voice="joe", input=SENTENCES, response_format="pcm"
            ) as answer:
                parts = answer.iter_bytes(1024)
                next(parts)
                ours.append(time.perf_counter() - began)
                for _ in parts:  # The rest is synthesised too, before the next round.
                    pass
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return [
        Figure("speech, whole text, Piper alone", statistics.median(theirs), "s"),
        Figure("speech, first audio byte through the gateway", statistics.median(ours), "s"),
        Figure("speech, alone : first byte", statistics.median(ratios), "x", 3.0,
               note=spread(ratios)),
    ]  # fmt: skip


def emotion(url: str, key: str, clip: bytes) -> list[Figure]:
    """Seconds for a 3 s clip."""
    took = []
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as http:
        for _ in range(20):
            began = time.perf_counter()
            answer = http.post("/v1/audio/classifications", files={"file": ("clip.wav", clip)})
            answer.raise_for_status()
            took.append(time.perf_counter() - began)
    return [Figure("emotion, 3 s clip, median", statistics.median(took), "s", 0.5, at_least=False)]


def _clip(client: openai.OpenAI, folder: Path, text: str, seconds: int | None = None) -> Path:
    """Speech made by the product itself, as a file, cut to a length if given."""
    answer = client.audio.speech.create(
        model="tts-1", voice="joe", input=text, response_format="pcm"
    )
    samples = answer.read()
    if seconds is not None:
        samples = samples[: seconds * 24_000 * 2]
    size = len(samples)
    header = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt "
    header += bytes.fromhex("10000000 0100 0100 c05d0000 80bb0000 0200 1000")
    path = folder / f"{len(text)}-{seconds}.wav"
    path.write_bytes(header + b"data" + size.to_bytes(4, "little") + samples)
    return path


def measure() -> list[Figure]:
    """Starts the product in an empty home and measures it."""
    # What `orfeon serve` gives each of its services; Piper alone takes every core all the same.
    threads = max(1, len(os.sched_getaffinity(0)) // len(known_capabilities()))
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        database = f"sqlite:///{home / 'orfeon.db'}"
        _, key = KeyStore(database).create("bench", requests_per_minute=10**6)
        with serving(home) as served:
            client = openai.OpenAI(
                base_url=f"{served.url}/v1", api_key=key, max_retries=0, timeout=600
            )
            file = _clip(client, folder, SENTENCES)
            short = _clip(client, folder, SENTENCES, 3)
            figures = [
                Figure("orfeon serve, ready", served.ready, "s", 15, at_least=False),
                *chat(client, home, threads),
                *transcription(client, home, threads, file),
                *speech(client, home, threads),
                *emotion(served.url, key, short.read_bytes()),
            ]
            size = resident_bytes(served.pid) / 1e9
            figures.append(Figure("all processes, resident", size, "GB", 2.5, at_least=False))
            return figures


def main() -> None:
    """Measures and prints."""
    print_figures("The product on its default models", measure())
