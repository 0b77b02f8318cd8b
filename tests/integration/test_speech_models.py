"""The real Piper and the real Whisper: what one says, the other writes down."""

import io
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from services.runtime.audio import AudioLimits, decode
from services.runtime.encode import AudioFormat, Encoder
from services.runtime.errors import InvalidRequest
from services.runtime.registry import Registry
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH, piper, whisper
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechRequest,
    Started,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings
from tests.placed import on_cpu
from tests.words import word_error_rate

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "speech" / "fleurs"
LIMITS = AudioLimits(max_seconds=120)
SENTENCE = "The children walked along the river until the sun went down behind the hills."


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("home"), [SPEECH.models])


@pytest.fixture(scope="module")
def voice(registry: Registry) -> Iterator[Synthesizer]:
    manifest = registry.resolve("", "speech")
    engine = piper(SpeechSettings())
    loaded = engine.load(manifest, registry.folder(manifest), on_cpu(manifest))
    model = cast(Synthesizer, loaded)
    yield model
    model.close()


@pytest.fixture(scope="module")
def listener(registry: Registry) -> Iterator[Transcriber]:
    manifest = registry.resolve("", "translation")
    engine = whisper(SpeechSettings())
    loaded = engine.load(manifest, registry.folder(manifest), on_cpu(manifest))
    model = cast(Transcriber, loaded)
    yield model
    model.close()


def spoken(voice: Synthesizer, text: str, speed: float = 1.0) -> list[Samples]:
    return list(voice.synthesize(SpeechRequest(text, "joe", speed), Cancellation()))


def heard(
    listener: Transcriber, request: TranscriptionRequest
) -> tuple[Started, tuple[Segment, ...]]:
    started, *segments = listener.transcribe(request, Cancellation())
    assert isinstance(started, Started)
    return started, tuple(part for part in segments if isinstance(part, Segment))


def text_of(segments: tuple[Segment, ...]) -> str:
    return "".join(segment.text for segment in segments)


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@pytest.mark.parametrize("file_format", ["mp3", "opus"])
def test_what_piper_says_whisper_writes_down(
    voice: Synthesizer, listener: Transcriber, file_format: AudioFormat
) -> None:
    encoder = Encoder(file_format)
    parts = [encoder.feed(samples) for samples in spoken(voice, SENTENCE)]
    file = io.BytesIO(b"".join([*parts, encoder.finish()]))
    samples = decode(file, TRANSCRIBER_RATE, LIMITS)

    started, segments = heard(listener, TranscriptionRequest(samples))

    assert started.language == "en"
    assert word_error_rate(SENTENCE, text_of(segments)) < 0.2


def test_each_sentence_is_heard_as_soon_as_it_is_made(voice: Synthesizer) -> None:
    text = "The gate opened at nine. Nobody had expected so many people. Then the choir sang."
    parts = voice.synthesize(SpeechRequest(text, "joe"), Cancellation())
    first = len(next(parts))
    rest = sum(len(part) for part in parts)
    assert 0.8 < first / SYNTHESIZER_RATE < 4
    assert rest > first


def test_the_speed_shortens_the_sound(voice: Synthesizer) -> None:
    speeds = (0.5, 1.0, 2.0, 4.0)
    lengths = [sum(len(part) for part in spoken(voice, SENTENCE, speed)) for speed in speeds]
    for slow, fast in itertools.pairwise(lengths):
        assert slow / fast == pytest.approx(2, rel=0.2)


def test_the_sound_is_finite_and_within_full_scale(voice: Synthesizer) -> None:
    sound = np.concatenate(spoken(voice, "Dr. Smith paid 3.50 dollars\x00 for [[two]] tickets!"))
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert 0.3 < np.abs(sound).max() < 1.2


def test_a_long_text_without_any_punctuation_comes_in_parts(voice: Synthesizer) -> None:
    assert len(spoken(voice, "and the river ran on to the sea " * 12)) > 3


@pytest.mark.parametrize("text", ["   ", "...", "— «»", "\n\n", "\x00"])
def test_nothing_to_say_is_refused(voice: Synthesizer, text: str) -> None:
    with pytest.raises(InvalidRequest, match="nothing"):
        spoken(voice, text)


def test_emoji_are_spoken_by_name(voice: Synthesizer) -> None:
    assert sum(len(part) for part in spoken(voice, "😀")) > SYNTHESIZER_RATE / 3


def test_a_caller_who_left_stops_the_voice(voice: Synthesizer) -> None:
    cancelled = Cancellation()
    parts = voice.synthesize(SpeechRequest("One. Two. Three.", "joe"), cancelled)
    next(parts)
    cancelled.set()
    assert list(parts) == []


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("clip", "language", "plausible"),
    [
        ("fleurs-es-005", "es", {"today", "people", "write", "messages", "screens", "computers"}),
        ("fleurs-fr-005", "fr", {"lost", "control", "car", "race", "start", "finished"}),
    ],
)
def test_another_language_becomes_english(
    listener: Transcriber, clip: str, language: str, plausible: set[str]
) -> None:
    with (CLIPS / f"{clip}.ogg").open("rb") as file:
        samples = decode(file, TRANSCRIBER_RATE, LIMITS)
    started, segments = heard(listener, TranscriptionRequest(samples, "translation"))
    assert started.language == language
    assert started.language_probability > 0.8
    assert len(plausible & set(words_of(text_of(segments)))) >= 2


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs ../shared/data")
def test_a_spanish_recording_is_written_in_spanish_and_its_words_have_times(
    listener: Transcriber,
) -> None:
    with (CLIPS / "fleurs-es-005.ogg").open("rb") as file:
        samples = decode(file, TRANSCRIBER_RATE, LIMITS)
    said = (CLIPS / "fleurs-es-005.txt").read_text("utf-8")
    request = TranscriptionRequest(samples, language="es", prompt="Noticias.", word_timestamps=True)

    started, segments = heard(listener, request)

    assert (started.language, started.language_probability) == ("es", 1.0)
    assert word_error_rate(said, text_of(segments)) < 0.35
    words = [word for segment in segments for word in segment.words]
    assert "".join(word.text for word in words) == text_of(segments)
    assert all(word.start <= word.end for word in words)
    assert all(one.end <= other.start + 0.01 for one, other in itertools.pairwise(words))
    assert words[-1].end <= started.duration


@pytest.mark.parametrize("seconds", [0.0001, 12.0])
def test_where_nobody_speaks_nothing_is_written(listener: Transcriber, seconds: float) -> None:
    noise = np.random.default_rng(1).standard_normal(int(seconds * TRANSCRIBER_RATE))
    for samples in (noise * 0.05, noise * 0):
        _, segments = heard(listener, TranscriptionRequest(samples.astype(np.float32)))
        assert segments == ()


def test_two_requests_at_once_do_not_mix(voice: Synthesizer, listener: Transcriber) -> None:
    texts = ("I have seven green apples.", "My brother lives in London.")
    written: dict[str, str] = {}

    def say_and_hear(text: str) -> None:
        sound = np.concatenate(spoken(voice, text)).astype("<f4")
        encoder = Encoder("wav")
        file = io.BytesIO(encoder.feed(sound) + encoder.finish())
        samples = decode(file, TRANSCRIBER_RATE, LIMITS)
        written[text] = text_of(heard(listener, TranscriptionRequest(samples))[1])

    threads = [threading.Thread(target=say_and_hear, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text in texts:
        assert word_error_rate(text, written[text]) < 0.41
