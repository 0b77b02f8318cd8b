"""What the band does with notes before they sound, and the room that they sound in."""

import numpy as np
import pytest

from services.melody.composition import Note, Passage
from services.melody.performance import performed
from services.melody.room import Room
from tests.fakes.tunes import tune

RATE = 16_000


def test_velocities_are_a_little_uneven_and_the_same_every_time() -> None:
    verse = tune()[1][1]
    played = performed(verse, "lead")
    differences = [
        each.velocity - note.velocity
        for each, note in zip(played, verse.parts["lead"], strict=True)
    ]

    assert played == performed(verse, "lead")
    assert len(set(differences)) > 3
    assert max(map(abs, differences)) <= 5
    assert [(each.pitch, each.start) for each in played] == [
        (note.pitch, note.start) for note in verse.parts["lead"]
    ]


@pytest.mark.parametrize("velocity", [1, 127])
def test_velocities_stay_within_midi(velocity: int) -> None:
    notes = tuple(Note(60, at / 4, 0, velocity) for at in range(64))
    played = performed(Passage("verse", 4, {"lead": notes}, ()), "lead")
    assert all(1 <= note.velocity <= 127 and note.duration > 0 for note in played)


def test_notes_are_played_in_order_and_a_part_may_be_silent() -> None:
    passage = Passage("verse", 1, {"bass": (Note(40, 2, 1), Note(43, 0, 1))}, ())
    assert [note.pitch for note in performed(passage, "bass")] == [43, 40]
    assert performed(passage, "lead") == ()


def test_a_room_answers_the_same_in_one_piece_and_in_many() -> None:
    sent = np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    whole, room = Room(RATE).feed(sent), Room(RATE)
    pieces = [room.feed(piece) for piece in np.split(sent, [10, 777, RATE, 2 * RATE + 5])]

    assert np.allclose(np.concatenate(pieces), whole, atol=1e-4)


def test_an_echo_comes_late_from_all_sides_and_dies_away() -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[0] = 1
    echo = Room(RATE).feed(click)

    assert np.abs(echo[: RATE // 100]).max() < 1e-5
    left, right = echo[:RATE].T
    assert abs(left @ right) < 0.2 * (left @ left)
    assert np.abs(echo[RATE // 50 : RATE // 5]).max() > 100 * np.abs(echo[RATE * 4 // 5 :]).max()
