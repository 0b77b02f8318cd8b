"""Music as tokens and back."""

from pathlib import Path

import pytest

from services.melody.tokens import (
    DRUMS,
    Bar,
    DrumBar,
    Vocabulary,
    decode,
    decode_drums,
    encode,
    encode_drums,
    song_header,
    tempo_bucket,
)

BAR = Bar(
    2,
    9,
    ((0, 9, "min"), (8, 5, "maj7")),
    ((0, 45), (6, 40), (8, 41)),
    ((0, 69, 2), (3, 71, 1), (8, 72, 8)),
)


def test_a_bar_says_where_it_is_then_what_begins_when() -> None:
    assert encode(BAR) == [
        "Bar_2", "Left_9", "Chord_9_min", "Bass_45", "Pitch_69", "Duration_2",
        "Position_3", "Pitch_71", "Duration_1", "Position_6", "Bass_40",
        "Position_8", "Chord_5_maj7", "Bass_41", "Pitch_72", "Duration_8",
    ]  # fmt: skip


@pytest.mark.parametrize("bar", [BAR, Bar(0, None, ((0, 0, "maj"),), (), ())])
def test_a_bar_comes_back(bar: Bar) -> None:
    assert decode(encode(bar)) == bar


def test_more_notes_than_are_counted_are_many() -> None:
    assert encode(Bar(0, 30, ((0, 0, "maj"),), (), ()))[1] == "Left_12"


def test_drums_come_back_in_the_order_of_the_kit() -> None:
    bar = DrumBar(1, ((0, "hat"), (0, "kick"), (4, "snare")))
    tokens = encode_drums(bar)
    assert tokens == ["Bar_1", "Drum_kick", "Drum_hat", "Position_4", "Drum_snare"]
    assert set(decode_drums(tokens).hits) == set(bar.hits)


def test_every_token_has_a_number(tmp_path: Path) -> None:
    vocabulary = Vocabulary.full()
    controls = {
        "Tempo": 7, "Valence": 0, "Arousal": 2, "Density": 4, "Syncopation": 1, "Register": 0,
        "Colour": 2, "Walk": 1,
    }  # fmt: skip
    tokens = [*song_header("minor", controls), *encode(BAR)]
    assert [vocabulary.names[number] for number in vocabulary.numbers(tokens)] == tokens
    assert len(vocabulary.by_kind["Drum"]) == len(DRUMS)
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json").names == vocabulary.names


def test_a_vocabulary_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text('["Pad", "Song"]')
    with pytest.raises(ValueError, match=r"vocabulary\.json"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_tempi_fall_into_buckets() -> None:
    assert [tempo_bucket(tempo) for tempo in (40, 66, 100, 240)] == [0, 1, 4, 7]
