"""How far a song is, and how long the rest takes."""

import asyncio

import pytest

from services.song.progress import Board, Pace, Times

STEPS = ["lyrics", "melody", "mix"]
TIMES = Times({"lyrics": 10.0, "melody": 20.0, "mix": 10.0})


def test_progress_is_weighted_by_the_time_of_each_step() -> None:
    assert TIMES.done(STEPS, "lyrics", 0.0) == 0
    assert TIMES.done(STEPS, "lyrics", 0.5) == pytest.approx(0.125)
    assert TIMES.done(STEPS, "melody", 0.5) == pytest.approx(0.5)
    assert TIMES.done(STEPS, "mix", 1.0) == 1
    assert TIMES.left(STEPS, "melody", 0.5) == 20.0
    assert TIMES.left(STEPS[1:], "melody", 0.0) == 30.0


def test_the_pace_is_the_mean_of_the_last_songs() -> None:
    pace = Pace()
    typical = pace.now().seconds["melody"]
    assert typical > 0
    before = pace.now()
    for seconds in (4.0, 6.0):
        pace.took("melody", seconds)
    assert pace.now().seconds["melody"] == 5.0
    assert before.seconds["melody"] == typical
    for _ in range(100):
        pace.took("melody", 1.0)
    assert pace.now().seconds["melody"] == 1.0


def test_a_step_never_goes_back() -> None:
    board = Board()
    board.begin("job", "lyrics", TIMES)
    board.reached("job", "lyrics", 0.8)
    board.reached("job", "lyrics", 0.1)  # It is being made again.
    place = board.at("job")
    assert place is not None
    assert (place.step, place.share) == ("lyrics", 0.8)
    board.reached("job", "melody")
    board.reached("job", "melody", 7.0)
    place = board.at("job")
    assert place is not None
    assert (place.step, place.share) == ("melody", 1.0)
    board.left("job")
    assert board.at("job") is None


async def test_who_waits_for_a_change_is_told_of_it_and_of_no_other() -> None:
    board = Board()
    board.begin("job", "lyrics", TIMES)
    await board.change("other", 0.01)  # Nothing happens, and that is an answer too.
    waiting = asyncio.create_task(board.change("job", 60))
    await asyncio.sleep(0)
    board.reached("job", "lyrics", 0.5)
    await waiting
