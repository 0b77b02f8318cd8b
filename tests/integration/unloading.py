"""Loads, uses and unloads a default model again and again, in a process of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from services.runtime import reclaim
from services.runtime.registry import Registry
from services.runtime.threads import wait_patiently
from services.runtime.worker import Cancellation
from tests.integration.voices import synthetic
from tests.placed import on_cpu


@dataclass(frozen=True, slots=True)
class Round:
    """Resident bytes of the process at three moments, and what `unload` said."""

    before: int
    used: int
    after: int
    unreturned: int
    declared: int


def rounds(task: str, home: Path, count: int) -> list[Round]:
    """What `count` rounds with the default model for `task` come to, one after the other.

    A process of its own, because the heap of this one already has the marks of other tests.
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_rounds, (task, home, count))


def _rounds(task: str, home: Path, count: int) -> list[Round]:
    wait_patiently()
    reclaim.keep_one_heap()
    return [_round(task, home) for _ in range(count)]


def _round(task: str, home: Path) -> Round:
    capability, engine, use = _PARTS[task]()
    registry = Registry(home, [capability.models])
    manifest = registry.usable(registry.resolve("", task))
    placement = on_cpu(manifest)
    before = _resident()
    # As in a service: loading, working and unloading are threads of their own.
    with ThreadPoolExecutor(1) as thread:
        model = thread.submit(engine.load, manifest, registry.folder(manifest), placement).result()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(use, model).result()
    used = _resident()
    with ThreadPoolExecutor(1) as thread:
        unreturned = thread.submit(reclaim.unload, model, placement).result()
    return Round(before, used, _resident(), unreturned, manifest.memory_bytes)


def _resident() -> int:
    size: int = psutil.Process().memory_info().rss
    return size


Parts = tuple[Any, Any, Callable[[Any], object]]


def _chat() -> Parts:
    from services.chat.__main__ import CHAT
    from services.chat.settings import ChatSettings
    from services.runtime.llama.engine import llama
    from services.runtime.llama.generation import Generation, LanguageModel, Message

    async def answer(model: LanguageModel) -> None:
        prompt = model.conversation([Message("user", ("What is rain?",))])
        async with model.generate(Generation(prompt, max_tokens=8), 1) as pieces:
            async for _ in pieces:
                pass

    return CHAT, llama(ChatSettings()), lambda it: asyncio.run(answer(it))


def _lyrics() -> Parts:
    from services.lyrics.__main__ import LYRICS
    from services.lyrics.genre import Genre
    from services.lyrics.settings import LyricsSettings
    from services.lyrics.song import Wish
    from services.lyrics.writer import Writer
    from services.runtime.llama.engine import llama
    from services.runtime.llama.generation import LanguageModel

    async def write(model: LanguageModel) -> None:
        wish = Wish(("verse",), 2, "en")
        async for _ in Writer(model, Genre(prompt="You write."), wish, seed=1, level=1).song():
            pass

    return LYRICS, llama(LyricsSettings()), lambda it: asyncio.run(write(it))


def _speech() -> Parts:
    from services.speech.__main__ import SPEECH, piper
    from services.speech.engine import SpeechRequest
    from services.speech.settings import SpeechSettings

    request = SpeechRequest("The children walked along the river.", "joe")
    engine = piper(SpeechSettings())
    return SPEECH, engine, lambda it: sum(map(len, it.synthesize(request, Cancellation())))


def _transcription() -> Parts:
    from services.speech.__main__ import SPEECH, whisper
    from services.speech.engine import TranscriptionRequest
    from services.speech.settings import SpeechSettings

    # One temperature: on what is no real speech Whisper would try them all.
    request = TranscriptionRequest(synthetic(10), language="en", temperature=0.2)
    engine = whisper(SpeechSettings())
    return SPEECH, engine, lambda it: list(it.transcribe(request, Cancellation()))


def _classification() -> Parts:
    from services.emotion.__main__ import EMOTION, whisper_head
    from services.emotion.engine import Clip
    from services.emotion.settings import EmotionSettings

    clip = Clip(synthetic(10))
    engine = whisper_head(EmotionSettings())
    return EMOTION, engine, lambda it: it.classify(clip, Cancellation())


def _music() -> Parts:
    from services.melody.__main__ import MELODY, symbolic
    from services.melody.engine import MelodyRequest
    from services.melody.settings import MelodySettings

    request = MelodyRequest(7, seconds=30.0)
    engine = symbolic(MelodySettings())
    return MELODY, engine, lambda it: sum(1 for _ in it.compose(request, Cancellation()))


_PARTS: dict[str, Callable[[], Parts]] = {
    "chat": _chat,
    "text": _lyrics,
    "speech": _speech,
    "transcription": _transcription,
    "classification": _classification,
    "music": _music,
}
