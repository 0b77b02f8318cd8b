"""A speech engine without weights: tones for words, and a transcript that can be foretold."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechModel,
    SpeechRequest,
    Started,
    TranscriptionRequest,
    Word,
)

SECONDS_PER_CHARACTER = 0.06
SECONDS_PER_SEGMENT = 5.0
TONE_HERTZ = 220.0
LANGUAGE = "en"


class FakeSpeechEngine:
    """Loads at once, whatever the folder: a voice or a listener, by the model's tasks."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> SpeechModel:
        """A model that needs no files."""
        return FakeSynthesizer() if "speech" in manifest.tasks else FakeTranscriber()


class FakeSynthesizer:
    """Speaks each sentence as a tone of 60 ms a character, at normal speed."""

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        """See `Synthesizer`."""
        if not any(character.isalnum() for character in request.text):
            raise InvalidRequest(
                "The input has nothing that can be spoken; send words or numbers.", param="input"
            )
        for sentence in request.text.replace(". ", ".\n").splitlines():
            if cancelled.is_set:
                return
            seconds = len(sentence) * SECONDS_PER_CHARACTER / request.speed
            times = np.arange(round(seconds * SYNTHESIZER_RATE)) / SYNTHESIZER_RATE
            yield (0.5 * np.sin(2 * np.pi * TONE_HERTZ * times)).astype(np.float32)

    def close(self) -> None:
        """Nothing to free."""


class FakeTranscriber:
    """Hears `From second 0 to second 5.`, and so on, one segment for every five seconds."""

    def transcribe(
        self, request: TranscriptionRequest, cancelled: Cancellation
    ) -> Iterator[Started | Segment]:
        """See `Transcriber`."""
        duration = len(request.samples) / TRANSCRIBER_RATE
        language = request.language or LANGUAGE
        yield Started(language, 1.0, duration)
        for at in range(math.ceil(duration / SECONDS_PER_SEGMENT)):
            if cancelled.is_set:
                return
            start = at * SECONDS_PER_SEGMENT
            end = min(start + SECONDS_PER_SEGMENT, duration)
            text = f" From second {start:g} to second {end:g}."
            words = _words(text, start, end) if request.word_timestamps else ()
            yield Segment(at, start, end, text, seek=round(start * 100), words=words)

    def close(self) -> None:
        """Nothing to free."""


def _words(text: str, start: float, end: float) -> tuple[Word, ...]:
    """The words, evenly spread."""
    words = text.split()
    step = (end - start) / len(words)
    return tuple(
        Word(f" {word}", start + at * step, start + (at + 1) * step, 1.0)
        for at, word in enumerate(words)
    )
