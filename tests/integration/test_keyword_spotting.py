"""Keywords in real speech: how many are found, and how many that nobody said."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soxr

from gateway.keywords import fold, spot
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.audio import AudioLimits, decode
from services.runtime.registry import Registry
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH, piper, whisper
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechRequest,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings
from tests.placed import on_cpu

FLEURS = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech" / "fleurs"
#: Of the words that are read out, how many are found at least, by language: Whisper base misspells
#: some.
LEAST = {"en": 0.9, "es": 0.9, "fr": 0.75}
LIMITS = AudioLimits(max_seconds=120)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("home"), [SPEECH.models])


@pytest.fixture(scope="module")
def listener(registry: Registry) -> Iterator[Transcriber]:
    manifest = registry.resolve("", "transcription")
    engine = whisper(SpeechSettings())
    model = cast(Transcriber, engine.load(manifest, registry.folder(manifest), on_cpu(manifest)))
    yield model
    model.close()


@pytest.fixture(scope="module")
def voice(registry: Registry) -> Iterator[Synthesizer]:
    manifest = registry.resolve("", "speech")
    loaded = piper(SpeechSettings()).load(manifest, registry.folder(manifest), on_cpu(manifest))
    model = cast(Synthesizer, loaded)
    yield model
    model.close()


def words(listener: Transcriber, samples: Samples, language: str) -> list[speech_pb2.Word]:
    """What the gateway is told of a recording."""
    request = TranscriptionRequest(samples, language=language, word_timestamps=True)
    return [
        speech_pb2.Word(
            word=word.text, start=word.start, end=word.end, probability=word.probability
        )
        for part in listener.transcribe(request, Cancellation())
        if isinstance(part, Segment)
        for word in part.words
    ]


def long_words(text: str) -> set[str]:
    """The words of a text that somebody might look for."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) >= 7}


@pytest.mark.skipif(not FLEURS.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(("language", "least"), LEAST.items())
def test_most_words_that_are_read_out_are_found_and_few_others(
    listener: Transcriber, language: str, least: float
) -> None:
    clips = sorted(FLEURS.glob(f"fleurs-{language}-*.ogg"))
    texts = {clip: clip.with_suffix(".txt").read_text("utf-8") for clip in clips}
    vocabulary = set().union(*map(long_words, texts.values()))
    said = found = absent = invented = 0
    for clip, text in texts.items():
        with clip.open("rb") as file:
            spoken = words(listener, decode(file, TRANSCRIBER_RATE, LIMITS), language)
        present = long_words(text)
        # What is nearly said, such as a plural, is no fair question.
        others = {word for word in vocabulary if fold(word)[:5] not in fold(text)}
        said += len(present)
        found += sum(bool(spot(word, spoken, 0.8)) for word in present)
        absent += len(others)
        invented += sum(bool(spot(word, spoken, 0.8)) for word in others)
    assert found / said >= least
    assert invented / absent <= 0.01


@pytest.mark.parametrize("phrase", ["garden gate", "railway station", "lighthouse"])
def test_phrases_are_found_where_they_are_said(
    voice: Synthesizer, listener: Transcriber, phrase: str
) -> None:
    text = f"Nobody knew what had happened. They met at the {phrase} in the morning. It rained."
    pieces = list(voice.synthesize(SpeechRequest(text, "joe", 1.0), Cancellation()))
    sound = np.concatenate(pieces)
    heard = words(listener, soxr.resample(sound, SYNTHESIZER_RATE, TRANSCRIBER_RATE), "en")
    assert spot("ambulance", heard, 0.8) == []
    matches = spot(phrase, heard, 0.8)
    seconds = len(sound) / SYNTHESIZER_RATE
    assert 0.25 * seconds < matches[0].start < matches[0].end < 0.9 * seconds
