from pathlib import Path

import numpy as np
import pytest

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import read_manifest
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechRequest,
    Started,
    TranscriptionRequest,
)
from services.speech.fake_engine import FakeSpeechEngine, FakeSynthesizer, FakeTranscriber
from tests.placed import on_cpu


def spoken(text: str, speed: float = 1.0) -> list[Samples]:
    return list(FakeSynthesizer().synthesize(SpeechRequest(text, "joe", speed), Cancellation()))


def heard(seconds: float, words: bool = False) -> list[Started | Segment]:
    samples = np.zeros(int(seconds * TRANSCRIBER_RATE), np.float32)
    request = TranscriptionRequest(samples, word_timestamps=words)
    return list(FakeTranscriber().transcribe(request, Cancellation()))


@pytest.mark.parametrize(
    ("model", "kind"),
    [("whisper-base", FakeTranscriber), ("piper-en-us-joe-medium", FakeSynthesizer)],
)
def test_it_loads_what_the_task_needs(model: str, kind: type) -> None:
    manifest = read_manifest(SPEECH.models / model / "model.yaml")
    loaded = FakeSpeechEngine().load(manifest, Path("nowhere"), on_cpu(manifest))
    assert isinstance(loaded, kind)


def test_sound_comes_sentence_by_sentence_and_follows_the_speed() -> None:
    assert [len(part) for part in spoken("One two. Three!")] == [
        round(8 * 0.06 * SYNTHESIZER_RATE),
        round(6 * 0.06 * SYNTHESIZER_RATE),
    ]
    assert len(spoken("One", 2.0)[0]) * 2 == len(spoken("One")[0])


def test_nothing_to_say_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nothing"):
        spoken(" ... ")


def test_the_transcript_follows_the_length() -> None:
    started, *segments = heard(12)
    assert started == Started("en", 1.0, 12.0)
    assert [(part.start, part.end) for part in segments if isinstance(part, Segment)] == [
        (0, 5), (5, 10), (10, 12),
    ]  # fmt: skip


def test_words_fill_their_segment() -> None:
    segment = heard(5, words=True)[1]
    assert isinstance(segment, Segment)
    assert "".join(word.text for word in segment.words) == segment.text
    assert (segment.words[0].start, segment.words[-1].end) == (0, 5)


def test_a_caller_who_left_ends_both() -> None:
    left = Cancellation()
    left.set()
    assert list(FakeSynthesizer().synthesize(SpeechRequest("One. Two.", "joe"), left)) == []
    long = TranscriptionRequest(np.zeros(10 * TRANSCRIBER_RATE, np.float32))
    assert len(list(FakeTranscriber().transcribe(long, left))) == 1
