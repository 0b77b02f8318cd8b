"""The real Piper speaks, our guide sings, the real Whisper listens: figures in docs/vocals.md."""

import random
import re
from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import pytest
import pyworld
import soxr

from services.runtime.registry import Registry
from services.runtime.syllables import syllables
from services.runtime.worker import Cancellation
from services.song.singing import Note
from services.song.vocals import SUNG_RATE, Line, sing
from services.song.voice import RATE, Samples
from services.speech.__main__ import SPEECH, piper, whisper
from services.speech.engine import (
    TRANSCRIBER_RATE,
    Segment,
    SpeechRequest,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings
from tests.placed import on_cpu

#: Tempo and lines.
SONGS: dict[str, tuple[float, tuple[str, ...]]] = {
    "midnight": (
        100,
        (
            "I packed my bag at midnight",
            "The street was cold and blue",
            "I left the key beside the door",
            "And all I owned with you",
            "Take me home on the river road",
            "Where the summer lights are low",
            "I will carry every word you said",
            "Everywhere I go",
        ),
    ),
    "station": (
        90,
        (
            "Rain is falling on the station",
            "Every window turns to grey",
            "I am waiting for a letter",
            "That you promised me in May",
            "Hold on, hold on to the morning",
            "The night is almost done",
            "We will dance among the houses",
            "And run into the sun",
        ),
    ),
    # By Shelley and Kipling: words that nobody expects.
    "verse": (
        80,
        (
            "Under the self same bough, and heard as there",
            "The birds, the fountains and the Ocean hold",
            "Sweet talk in music through the enamoured air.",
            "And then a Vision on my brain was rolled.",
            "The toad beneath the harrow knows",
            "Exactly where each tooth-point goes.",
            "The butterfly upon the road",
            "Preaches contentment to that toad.",
        ),
    ),
}


class Sung(NamedTuple):
    """A guide, and the lines and notes that are in it."""

    lines: tuple[str, ...]
    notes: list[list[Note]]
    guide: Samples


def tune(count: int, start: float, beat: float, chance: random.Random) -> list[Note]:
    """Steps up and down a major scale in eighths and quarters, the last note a half."""
    scale, at, notes = (60, 62, 64, 65, 67, 69, 71, 72), chance.randrange(2, 6), list[Note]()
    for syllable in range(count):
        eighth = chance.random() < (0.7 if count > 7 else 0.45)
        length = beat * (2.0 if syllable + 1 == count else 0.5 if eighth else 1.0)
        notes.append(Note(scale[at], start, start + length))
        start += length
        at = min(7, max(0, at + chance.choice([-2, -1, -1, 0, 1, 1, 2])))
    return notes


def sung(lines: tuple[str, ...], tempo: float, voice: Synthesizer) -> Sung:
    """Each line begins with a bar of four."""
    chance, beat = random.Random(1), 60 / tempo
    bar, now, notes = 4 * beat, 0.0, list[list[Note]]()
    for line in lines:
        notes.append(tune(syllables(line, "en"), now + beat, beat, chance))
        now = bar * np.ceil((notes[-1][-1].end + beat / 2) / bar)
    spoken = [
        np.concatenate(list(voice.synthesize(SpeechRequest(line, "joe"), Cancellation())))
        for line in lines
    ]
    parts = [Line(melody, sound) for melody, sound in zip(notes, spoken, strict=True)]
    return Sung(lines, notes, sing(parts, now + bar, Cancellation()))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("home"), [SPEECH.models])


@pytest.fixture(scope="module")
def songs(registry: Registry) -> dict[str, Sung]:
    manifest = registry.resolve("", "speech")
    engine = piper(SpeechSettings(threads_per_slot=1))
    loaded = engine.load(manifest, registry.folder(manifest), on_cpu(manifest))
    voice = cast(Synthesizer, loaded)
    guides = {name: sung(lines, tempo, voice) for name, (tempo, lines) in SONGS.items()}
    voice.close()
    return guides


@pytest.fixture(scope="module")
def listener(registry: Registry) -> Iterator[Transcriber]:
    manifest = registry.resolve("", "translation")
    engine = whisper(SpeechSettings(threads_per_slot=1, slots=1))
    loaded = engine.load(manifest, registry.folder(manifest), on_cpu(manifest))
    model = cast(Transcriber, loaded)
    yield model
    model.close()


@pytest.fixture(scope="module")
def found(songs: dict[str, Sung], listener: Transcriber) -> dict[str, tuple[int, int]]:
    """By song: words that were heard, in their order, and words there are."""
    figures = {}
    for name, song in songs.items():
        samples = soxr.resample(song.guide, SUNG_RATE, TRANSCRIBER_RATE).astype(np.float32)
        request = TranscriptionRequest(samples)
        parts = listener.transcribe(request, Cancellation())
        heard = "".join(part.text for part in parts if isinstance(part, Segment))
        words = words_of(" ".join(song.lines))
        figures[name] = (in_order(words, words_of(heard)), len(words))
    return figures


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower().replace("'", ""))


def in_order(said: list[str], heard: list[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(heard) + 1)
    for word in said:
        diagonal = 0
        for at, other in enumerate(heard, 1):
            above = row[at]
            row[at] = diagonal + 1 if word == other else max(above, row[at - 1])
            diagonal = above
    return row[-1]


def test_most_words_of_the_guide_are_understood(found: dict[str, tuple[int, int]]) -> None:
    heard, there_are = (sum(column) for column in zip(*found.values(), strict=True))
    assert there_are > 140
    assert heard / there_are > 0.6, found


@pytest.mark.parametrize("name", SONGS)
def test_at_least_half_of_each_song_is_understood(
    found: dict[str, tuple[int, int]], name: str
) -> None:
    heard, there_are = found[name]
    assert heard / there_are >= 0.5


@pytest.mark.parametrize("name", SONGS)
def test_lines_are_heard_while_their_notes_are(songs: dict[str, Sung], name: str) -> None:
    song = songs[name]
    for notes in song.notes:
        begin, end = (round(at * SUNG_RATE) for at in (notes[0].start, notes[-1].end))
        outside = song.guide[max(0, begin - SUNG_RATE // 2) : begin - SUNG_RATE // 3]
        inside = np.square(song.guide[begin:end], dtype=np.float64).mean()
        assert inside > 1e-3
        assert np.square(outside, dtype=np.float64).mean() < inside / 10


def test_the_voice_sings_the_notes(songs: dict[str, Sung]) -> None:
    song = songs["midnight"]
    guide = soxr.resample(song.guide, SUNG_RATE, RATE).astype(np.float64)
    pitch, times = pyworld.dio(guide, RATE, f0_floor=60, f0_ceil=400)
    distances = []
    for note in (note for notes in song.notes for note in notes):
        inside = (times > note.start + 0.06) & (times < note.end - 0.06) & (pitch > 0)
        if inside.any():
            sings = 69 + 12 * np.log2(np.median(pitch[inside]) / 440)
            distances.append(abs((sings - note.pitch + 6) % 12 - 6))
    assert len(distances) > 50
    assert np.mean(np.asarray(distances) < 0.5) > 0.8
