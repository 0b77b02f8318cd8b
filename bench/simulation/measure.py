"""Measures what the simulation is told: `python -m bench.simulation.measure`.

Seconds to load, to answer one short item and to unload, of one default model of each kind, through
the services' own engines with one thread; medians of several rounds, files in the page cache.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from bench.simulation.workload import COSTS
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.runtime.audio import Resampler
from services.runtime.host import Engine
from services.runtime.llama.engine import llama
from services.runtime.llama.generation import Generation, LanguageModel, Message, Sampling
from services.runtime.registry import Registry
from services.runtime.residency import Placement
from services.runtime.residency.placement import CPU
from services.runtime.threads import wait_patiently
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH, piper, whisper
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    SpeechRequest,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings

ROUNDS = 7
SENTENCE = "The ferry left the harbour before dawn, and nobody on deck said a word for an hour."
QUESTION = "Why is the sea salty? Answer in two sentences."
MAX_TOKENS = 48


class Subject(NamedTuple):
    """A model to measure, and the short item that it is to work on."""

    service: str
    name: str
    engine: Engine[Any]
    work: Callable[[Any], object]


def chat(model: LanguageModel) -> None:
    """A short answer."""

    async def answer() -> None:
        prompt = model.conversation([Message("user", (QUESTION,))])
        asked = Generation(prompt, Sampling(temperature=0), MAX_TOKENS)
        async with model.generate(asked, 1) as pieces:
            async for _ in pieces:
                pass

    asyncio.run(answer())


def speak(model: Synthesizer) -> Samples:
    """One sentence, at the rate of the transcribers."""
    parts = list(model.synthesize(SpeechRequest(SENTENCE, "joe"), Cancellation()))
    resampler = Resampler(SYNTHESIZER_RATE, TRANSCRIBER_RATE)
    return np.concatenate([resampler.feed(np.concatenate(parts)), resampler.finish()])


def write_down(samples: Samples) -> Callable[[Transcriber], None]:
    """A recording of one sentence."""

    def work(model: Transcriber) -> None:
        for _ in model.transcribe(TranscriptionRequest(samples), Cancellation()):
            pass

    return work


def round_of(registry: Registry, subject: Subject) -> tuple[float, float, float]:
    """Seconds of loading, of the item and of unloading."""
    manifest = registry.get(subject.name)
    folder = registry.folder(manifest)
    placement = Placement(((CPU, manifest.memory_bytes),))
    moments = [time.perf_counter()]
    model = subject.engine.load(manifest, folder, placement)
    moments.append(time.perf_counter())
    subject.work(model)
    moments.append(time.perf_counter())
    model.close()
    moments.append(time.perf_counter())
    load, seconds, unload = np.diff(moments).tolist()
    return load, seconds, unload


def subjects(registry: Registry) -> list[Subject]:
    """What is measured. The sentence that Whisper hears is the one that Piper speaks."""
    voice = piper(SpeechSettings(threads=1))
    manifest = registry.resolve("", "speech")
    placement = Placement(((CPU, manifest.memory_bytes),))
    speaker: Any = voice.load(manifest, registry.folder(manifest), placement)
    hear = write_down(speak(speaker))
    speaker.close()
    return [
        Subject("chat", "smollm2-135m-instruct", llama(ChatSettings(threads=1)), chat),
        Subject("speech", "whisper-base", whisper(SpeechSettings(threads=1)), hear),
        Subject("speech", manifest.name, voice, speak),
    ]


def main() -> None:
    """Measures and writes `costs.json`."""
    wait_patiently()
    console = Console()
    models: dict[str, dict[str, str | float]] = {}
    with tempfile.TemporaryDirectory() as home:
        registry = Registry(Path(home), [CHAT.models, SPEECH.models])
        for subject in subjects(registry):
            round_of(registry, subject)  # Brings the files into the page cache.
            rounds = [round_of(registry, subject) for _ in range(ROUNDS)]
            load, seconds, unload = (
                round(statistics.median(times), 4) for times in zip(*rounds, strict=True)
            )
            models[subject.name] = {
                "service": subject.service, "seconds": seconds, "load": load, "unload": unload,
            }  # fmt: skip
            console.print(subject.name, models[subject.name])
    COSTS.write_text(json.dumps({"rounds": ROUNDS, "models": models}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
