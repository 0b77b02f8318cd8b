"""What a speech engine is: to speak, to write down, and the values that go in and come out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from services.runtime.context import NORMAL
from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

#: Mono sound, float32, shape `(samples,)`, full scale at 1.
Samples = NDArray[np.float32]

#: Samples per second that every transcriber takes.
TRANSCRIBER_RATE = 16000
#: Samples per second that every synthesizer gives.
SYNTHESIZER_RATE = 24000

Task = Literal["transcription", "translation"]


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text to speak. `voice` is one of the model's own, `speed` the pace, 1 for normal.

    `priority` and `timeout` (seconds, None for no limit), here and below, are for engines that
    queue on another machine.
    """

    text: str
    voice: str
    speed: float = 1.0
    priority: int = NORMAL
    timeout: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TranscriptionRequest:
    """A recording to write down, at `TRANSCRIBER_RATE`.

    `language` is an ISO 639-1 code, None where the model is to find out. `temperature` None or 0
    starts greedy and grows where the model is unsure of itself.
    """

    samples: Samples
    task: Task = "transcription"
    language: str | None = None
    prompt: str = ""
    temperature: float | None = None
    word_timestamps: bool = False
    priority: int = NORMAL
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the first segment."""

    language: str
    language_probability: float
    duration: float
    """Length of the recording, seconds."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its leading space, between two moments in seconds."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech, between two moments in seconds."""

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    """Start of the analysis window, in frames of 10 ms."""
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] = ()


class Synthesizer(LoadedModel, Protocol):
    """A voice in memory. Speaks several texts at once, each in its own thread."""

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        """Yields the sound at `SYNTHESIZER_RATE`, a sentence at a time.

        Ends early, or raises `Cancelled`, once `cancelled`. Raises `InvalidRequest` for a text with
        nothing to say.
        """


class Transcriber(LoadedModel, Protocol):
    """A listener in memory. Hears several recordings at once, each in its own thread."""

    def transcribe(
        self, request: TranscriptionRequest, cancelled: Cancellation
    ) -> Iterator[Started | Segment]:
        """Yields `Started`, then the segments in order.

        Ends early, or raises `Cancelled`, once `cancelled`.
        """


SpeechModel = Synthesizer | Transcriber
