"""Key, tempo and bars: a piece fits the seconds it is given."""

import re

import pytest

from services.melody.composition import BEATS, Key, Plan
from services.melody.engine import MelodyRequest, Section
from services.melody.keys import key_of, name_of, scale_of, shift_of
from services.melody.layout import DENSEST, Layout, layout
from services.runtime.errors import InvalidRequest
from tests.unit.melody.composing import PROFILES, planned

SONG = (
    Section("verse", (8, 7, 8, 7)),
    Section("chorus", (6, 6)),
    Section("verse", (8, 8, 8, 8)),
    Section("chorus", (6, 6)),
)


def music(plan: Plan) -> float:
    """Seconds that the bars take."""
    return sum(bars for _, bars in plan.form) * BEATS * 60 / plan.tempo


@pytest.mark.parametrize("genre", list(PROFILES))
@pytest.mark.parametrize("seconds", [5.0, 10.0, 30.0, 47.3, 180.0])
def test_bars_end_a_little_before_the_audio(genre: str, seconds: float) -> None:
    for seed in range(20):
        plan = planned(MelodyRequest(seed, genre=genre, seconds=seconds))
        slowest, fastest = PROFILES[genre].tempo
        assert plan.seconds == seconds
        assert 0 <= seconds - music(plan) <= 2 + 1e-6
        assert slowest * 0.98 <= plan.tempo <= fastest * 1.02 or seconds < 8


def test_the_shortest_piece_is_one_bar() -> None:
    plan = planned(MelodyRequest(1, seconds=1.0))
    assert plan.form == (("chorus", 1),)
    assert music(plan) <= 1.0 + 1e-9


def test_sections_keep_their_order_and_fit_the_seconds() -> None:
    plan = planned(MelodyRequest(3, sections=SONG, seconds=60.0))
    assert [kind for kind, _ in plan.form] == [section.kind for section in SONG]
    assert plan.form[1] == plan.form[3]
    assert 0 <= 60 - music(plan) <= 6


def test_the_song_does_not_wait_long_to_begin() -> None:
    sections = (Section("intro"), Section("verse", (7, 7)), Section("outro"))
    plan = planned(MelodyRequest(3, sections=sections, seconds=60.0))
    intro, verse, outro = (bars for _, bars in plan.form)
    assert intro <= 4 >= outro
    assert verse > 16
    # Nor where no more whole lines have room.
    sections = (Section("intro"), Section("verse", (9,) * 4), Section("chorus", (6, 7, 6, 3)))
    for seed in range(10):
        plan = planned(
            MelodyRequest(seed, genre="pop", mood="sad", sections=sections, seconds=45.0)
        )
        assert plan.form[0][1] <= 4


def test_without_seconds_a_piece_is_as_long_as_its_lines_need() -> None:
    short = planned(MelodyRequest(3, sections=SONG[:1]))
    long = planned(MelodyRequest(3, sections=SONG))
    assert short.seconds < long.seconds <= 180
    assert short.form == (("verse", 8),)
    assert planned(MelodyRequest(3)).seconds == 30


def test_what_is_asked_for_is_kept() -> None:
    plan = planned(MelodyRequest(3, genre="ballad", tempo=133.0, key="F# minor", seconds=20.0))
    assert (plan.genre, plan.tempo, plan.key) == ("ballad", 133.0, Key(6, "minor"))
    assert 0 <= 20 - music(plan) < 20 * 0.15


def test_moods_choose_mode_and_pace() -> None:
    sad = [planned(MelodyRequest(seed, mood="sad")) for seed in range(20)]
    happy = [planned(MelodyRequest(seed, mood="happy")) for seed in range(20)]
    assert {plan.key.mode for plan in sad} == {"minor"}
    assert {plan.key.mode for plan in happy} == {"major"}
    assert max(plan.tempo for plan in sad) < sum(plan.tempo for plan in happy) / 20


@pytest.mark.parametrize(
    ("request_", "param", "says"),
    [
        (MelodyRequest(1, genre="polka"), "genre", "ballad, pop"),
        (MelodyRequest(1, mood="bored"), "mood", "happy"),
        (MelodyRequest(1, key="H major"), "key", "C major"),
        (MelodyRequest(1, tempo=40.0, seconds=2.0), "duration", "6.0 seconds"),
        (MelodyRequest(1, sections=SONG, seconds=5.0), "duration", "at least"),
        (MelodyRequest(1, sections=SONG * 8, seconds=30.0), "duration", "at least"),
        (MelodyRequest(1, sections=(Section("verse", (40,) * 64),) * 3), "sections", "leave some"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field(request_: MelodyRequest, param: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        planned(request_)
    assert refused.value.param == param


def test_the_shortest_duration_that_is_told_is_possible() -> None:
    with pytest.raises(InvalidRequest) as refused:
        planned(MelodyRequest(1, sections=SONG, seconds=5.0))
    shortest = float(re.findall(r"at least ([\d.]+)\.", refused.value.message)[0])
    plan = planned(MelodyRequest(1, sections=SONG, seconds=shortest))
    assert music(plan) <= shortest
    with pytest.raises(InvalidRequest):
        planned(MelodyRequest(1, sections=SONG, seconds=shortest - 0.3))


def test_lines_share_the_bars() -> None:
    assert layout((8, 8), 4, 4) == Layout((2, 2), 0)
    assert layout((8, 8), 2, 4) == Layout((1, 1), 0)
    assert layout((8, 8), 9, 4) == Layout((4, 4), 1)
    assert layout((8, 8), 20, 4) == Layout((4, 4), 12)
    assert layout((), 4, 4) == Layout((), 4)
    assert layout((8, 6, 8, 7), 8, 5) == Layout((2, 2, 2, 2), 0)
    assert layout((24, 8, 8, 8), 12, 4) == Layout((6, 2, 2, 2), 0)
    assert layout((40, 1), 5, 4) == Layout((4, 1), 0)
    with pytest.raises(ValueError, match="too few"):
        layout((DENSEST + 1,), 1, 4)


@pytest.mark.parametrize("name", ["C major", "F# minor", "Bb major", "Eb minor"])
def test_keys_have_names(name: str) -> None:
    assert name_of(key_of(name)) == name
    assert name_of(key_of("D# minor")) == "Eb minor"
    assert len(scale_of(key_of(name))) == (7 if "major" in name else 8)


def test_keys_are_reached_by_small_steps() -> None:
    assert {shift_of(Key(tonic, "major")) for tonic in range(12)} == set(range(-5, 7))
    assert shift_of(Key(9, "minor")) == 0
