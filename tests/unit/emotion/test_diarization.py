import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.diarization import SPEAKER, Turn, Voices
from services.emotion.hearing import Scored
from services.emotion.speakers import Conversation

SPEECH = [(1.0, 9.0), (12.0, 20.0)]


def voice(direction: int) -> NDArray[np.float32]:
    return np.asarray(np.eye(8, dtype=np.float32)[direction])


def voices(*directions: int) -> Voices:
    """Windows through `SPEECH`, of one voice or another."""
    times = [
        (start + SPEAKER.hop * at, start + SPEAKER.hop * at + SPEAKER.seconds)
        for start, end in SPEECH
        for at in range(int((end - start - SPEAKER.seconds) / SPEAKER.hop) + 1)
    ]
    heard = Voices()
    heard.add(
        times, np.stack([voice(directions[at % len(directions)]) for at in range(len(times))])
    )
    return heard


def in_halves(first: int, second: int) -> Voices:
    heard = voices(first)
    half = len(heard._times) // 2
    heard._vectors = [
        np.stack([voice(first)] * half + [voice(second)] * (len(heard._times) - half))
    ]
    return heard


def test_one_voice_is_one_speaker_who_speaks_whenever_somebody_does() -> None:
    turns = voices(3).turns(SPEECH)
    assert [(turn.start, turn.end, turn.speaker) for turn in turns] == [
        (1.0, 9.0, "A"),
        (12.0, 20.0, "A"),
    ]


def test_two_voices_are_two_speakers_in_the_order_in_which_they_begin() -> None:
    turns = in_halves(5, 2).turns(SPEECH)
    assert [(turn.start, turn.end, turn.speaker) for turn in turns] == [
        (1.0, 9.0, "A"),
        (12.0, 20.0, "B"),
    ]


def test_turns_cover_all_speech_and_nothing_twice() -> None:
    turns = voices(0, 0, 0, 1, 1, 1).turns(SPEECH)
    assert sum(turn.end - turn.start for turn in turns) == pytest.approx(16)
    assert all(a.end <= b.start for a, b in itertools.pairwise(turns))


def test_who_is_known_has_a_name() -> None:
    known = {"Ada": voice(2), "Nobody": voice(7)}
    assert [turn.speaker for turn in in_halves(5, 2).turns(SPEECH, known=known)] == ["A", "Ada"]


def test_a_letter_that_is_a_name_is_not_given_to_another() -> None:
    turns = in_halves(5, 2).turns(SPEECH, known={"A": voice(2)})
    assert [turn.speaker for turn in turns] == ["B", "A"]


def test_somebody_heard_for_a_moment_is_one_of_the_others_unless_so_many_are_asked_for() -> None:
    heard = voices(0)
    odd = (voice(0) * 0.5 + voice(1) * 0.9).astype(np.float32)
    heard._vectors[0][4] = odd / np.linalg.norm(odd)
    assert {turn.speaker for turn in heard.turns(SPEECH)} == {"A"}
    assert {turn.speaker for turn in heard.turns(SPEECH, count=2)} == {"A", "B"}


def test_nobody_speaks() -> None:
    assert Voices().turns([]) == []
    assert Voices().mean is None


def test_the_mean_of_a_voice_has_length_one() -> None:
    mean = voices(0, 1).mean
    assert mean is not None
    assert np.linalg.norm(mean) == pytest.approx(1)


def test_each_speaker_has_the_windows_in_which_they_speak() -> None:
    conversation = Conversation([Turn(0, 10, "A"), Turn(10, 16, "B"), Turn(20, 24, "A")])
    happy, sad = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    conversation.tell(
        [Scored(0, 8, happy), Scored(9, 15, sad), Scored(20, 24, happy)], ["happy", "sad"]
    )
    a, b = conversation.speakers.values()
    assert (a.id, b.id) == ("A", "B")
    assert a.seconds == pytest.approx(14)
    assert a.labels[0].score == pytest.approx(12 / 13)
    assert b.labels[0].label == "sad"
    assert b.labels[0].score == pytest.approx(1)


def test_who_speaks_most_in_a_stretch_speaks_in_it() -> None:
    conversation = Conversation([Turn(0, 10, "A"), Turn(10, 16, "B")])
    assert conversation.speaker(8, 11) == "A"
    assert conversation.speaker(9, 20) == "B"
    assert conversation.speaker(16, 20) == ""
    assert conversation.speaker(12, 13) == "B"
