"""The rules of composing hold whatever the network says."""

import itertools

import numpy as np
import pytest

from services.melody.composition import BEATS, PARTS, QUALITIES, Passage
from services.melody.engine import MelodyRequest, Section
from services.melody.genre import Sampling
from services.melody.keys import scale_of
from services.melody.text import chosen
from services.runtime.errors import Cancelled
from services.runtime.worker import Cancellation
from tests.unit.melody.composing import composed

SONG = (
    Section("intro"),
    Section("verse", (8, 7, 8, 7)),
    Section("chorus", (6, 1, 6, 40)),
    Section("verse", (8, 8, 8, 8)),
    Section("chorus", (6, 1, 6, 40)),
    Section("outro"),
)
REQUESTS = [
    *(MelodyRequest(seed, sections=SONG) for seed in range(3)),
    *(MelodyRequest(seed, sections=SONG, seconds=180.0) for seed in range(3)),
    *(MelodyRequest(seed, genre="ballad", seconds=30.0, mood="sad") for seed in range(3)),
    MelodyRequest(7, seconds=1.0),
    MelodyRequest(8, sections=(Section("verse", (12, 12, 12)),), seconds=9.0),
    MelodyRequest(9, temperature=2.0, seconds=20.0),
]


def key_of_melody(passage: Passage) -> tuple[tuple[int, float, float], ...]:
    return tuple((note.pitch, note.start, note.duration) for note in passage.parts["lead"])


@pytest.mark.parametrize("request_", REQUESTS)
def test_bars_are_whole_and_voices_in_range(request_: MelodyRequest) -> None:
    plan, passages = composed(request_)
    assert tuple((passage.kind, passage.bars) for passage in passages) == plan.form
    for passage in passages:
        end = passage.bars * BEATS
        assert sum(chord.duration for chord in passage.chords) == end
        assert {chord.quality for chord in passage.chords} <= set(QUALITIES)
        for part in PARTS:
            for note in passage.parts[part]:
                assert note.start >= 0
                assert note.duration > 0
                assert note.start + note.duration <= end
                assert 1 <= note.velocity <= 127
        assert all(55 <= note.pitch < 80 for note in passage.parts["lead"])
        for note, following in itertools.pairwise(passage.parts["lead"]):
            assert note.start + note.duration <= following.start


@pytest.mark.parametrize("request_", REQUESTS)
def test_notes_are_on_the_scale_or_in_their_chord(request_: MelodyRequest) -> None:
    plan, passages = composed(request_)
    scale = scale_of(plan.key)
    for part in ("lead", "bass", "chords"):
        notes = [note for passage in passages for note in passage.parts[part]]
        on = sum(note.duration for note in notes if note.pitch % 12 in scale)
        assert on >= 0.97 * sum(note.duration for note in notes), part


@pytest.mark.parametrize("request_", REQUESTS[:6])
def test_a_line_has_a_note_for_each_syllable(request_: MelodyRequest) -> None:
    _, passages = composed(request_)
    for section, passage in zip(SONG, passages, strict=True):
        assert [end - first for first, end in passage.lines] == list(section.syllables)
        for before, after in itertools.pairwise(passage.lines):
            assert before[1] == after[0]
        assert not passage.lines or passage.lines[-1][1] <= len(passage.parts["lead"])


def test_sections_that_are_alike_have_one_melody() -> None:
    _, passages = composed(REQUESTS[0])
    assert key_of_melody(passages[2]) == key_of_melody(passages[4])
    assert key_of_melody(passages[1]) != key_of_melody(passages[3])
    # The other words of a second verse are sung to the same chords.
    for one, two in zip(passages[1].chords, passages[3].chords, strict=False):
        assert (one.root, one.quality) == (two.root, two.quality)


def test_a_section_has_chords_that_return() -> None:
    _, passages = composed(MelodyRequest(1, sections=(Section("verse"), Section("outro"))))
    chords = [(chord.root, chord.quality, chord.start % 16) for chord in passages[0].chords]
    assert len(chords) % 2 == 0
    assert chords[: len(chords) // 2] == chords[len(chords) // 2 :]


def test_a_piece_ends_on_its_tonic() -> None:
    for seed in range(5):
        plan, passages = composed(MelodyRequest(seed, seconds=20.0))
        assert passages[-1].chords[-1].root == plan.key.tonic
        assert passages[-1].chords[-1].duration >= BEATS


def test_a_seed_gives_its_piece_again() -> None:
    assert composed(REQUESTS[0]) == composed(REQUESTS[0])
    assert composed(REQUESTS[0]) != composed(REQUESTS[1])


def test_passages_come_one_by_one_until_nobody_wants_them() -> None:
    cancelled = Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        composed(REQUESTS[0], cancelled)


def test_tokens_are_drawn_as_asked() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    rng = np.random.default_rng(0)

    def drawn(**sampling: float) -> list[int]:
        return [chosen(logits, Sampling.model_validate(sampling), rng) for _ in range(300)]

    assert set(drawn(temperature=0)) == {1}
    assert set(drawn(temperature=1, top_k=2, top_p=1)) == {1, 2}
    assert set(drawn(temperature=1, top_p=0.5)) == {1}
    shares = np.bincount(drawn(temperature=1, top_p=1), minlength=3) / 300
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=0.08)
