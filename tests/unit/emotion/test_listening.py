import numpy as np
import pytest

from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.listening import Heard, Listener, Tape, Window, Windowing
from services.emotion.voice_activity import Began, Ended, LoudnessEar
from tests.unit.emotion.sounds import silence, sound

WINDOWING = Windowing(seconds=3.0, hop=1.0, first=1.5)
SPOKEN = np.concatenate([silence(2), sound(7.25), silence(3), sound(0.5), silence(2)])


def heard(samples: Samples, piece: int, *windowings: Windowing) -> tuple[Listener, list[Heard]]:
    listener = Listener(LoudnessEar(), *windowings)
    events: list[Heard] = []
    for at in range(0, samples.size, piece):
        events += listener.feed(samples[at : at + piece])
    return listener, events + listener.finish()


def times(events: list[Heard]) -> list[tuple[str, float]]:
    return [
        (type(each).__name__, each.end if isinstance(each, Window) else each.at) for each in events
    ]


def test_speech_is_cut_into_windows_that_overlap() -> None:
    _, events = heard(SPOKEN, 16_000, WINDOWING)
    kinds = [type(each) for each in events]
    assert kinds == [Began, *[Window] * 7, Ended, Began, Window, Ended]
    windows = [each for each in events if isinstance(each, Window)]
    began = events[0]
    assert isinstance(began, Began)
    assert began.at == pytest.approx(2, abs=0.15)
    assert [w.end - began.at for w in windows[:6]] == pytest.approx([1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
    assert [w.end - w.start for w in windows[:4]] == pytest.approx([1.5, 2.5, 3.0, 3.0])
    assert windows[6].end == pytest.approx(9.25, abs=0.4)
    assert windows[7].end - windows[7].start < 1.2


def test_windows_hold_the_samples_of_their_times() -> None:
    rising = np.linspace(0.1, 0.9, 10 * SAMPLE_RATE, dtype=np.float32)
    _, events = heard(rising, 1_000, WINDOWING)
    for window in (each for each in events if isinstance(each, Window)):
        first, last = round(window.start * SAMPLE_RATE), round(window.end * SAMPLE_RATE)
        assert np.array_equal(window.samples, rising[first:last])


@pytest.mark.parametrize("piece", [160, 1_777, 48_000, 10**7])
def test_pieces_change_nothing(piece: int) -> None:
    other = Windowing(seconds=1.6, hop=0.8, first=1.6)
    listener, events = heard(SPOKEN, piece, WINDOWING, other)
    expected, same = heard(SPOKEN, 16_000, WINDOWING, other)
    assert times(events) == times(same)
    assert listener.speech == expected.speech
    assert listener.seconds == expected.seconds == pytest.approx(14.75)


def test_only_the_last_seconds_are_kept() -> None:
    listener = Listener(LoudnessEar(), WINDOWING)
    for _ in range(600):
        listener.feed(sound(1.0))
    held = sum(part.size for part in listener.tape._parts)
    assert held < 10 * SAMPLE_RATE


def test_how_much_of_a_stretch_is_speech() -> None:
    listener, _ = heard(SPOKEN, 16_000, WINDOWING)
    (start, end), (_, last) = listener.speech
    assert listener.spoken(0, 100) == pytest.approx(listener.speech_seconds)
    assert listener.spoken(start + 1, start + 2) == pytest.approx(1)
    assert listener.spoken(end + 0.1, end + 0.2) == 0
    assert listener.spoken(end - 0.5, end + 0.5) == pytest.approx(0.5)
    assert listener.spoken(last, 1e9) == listener.spoken(500, 400) == 0


def test_speech_that_goes_on_is_known_as_far_as_it_was_heard() -> None:
    listener = Listener(LoudnessEar(), WINDOWING)
    listener.feed(np.concatenate([silence(1), sound(4)]))
    assert listener.spoken(2, 3) == pytest.approx(1)
    assert listener.settled == pytest.approx(5, abs=0.1)
    assert listener.speech == []


def test_nothing_said_is_nothing_heard() -> None:
    listener, events = heard(silence(5), 16_000, WINDOWING)
    assert events == []
    assert listener.speech_seconds == 0


def test_a_tape_gives_what_it_has_not_forgotten() -> None:
    tape = Tape()
    count = np.arange(10 * SAMPLE_RATE, dtype=np.float32)
    for part in np.split(count, 10):
        tape.add(part)
    tape.forget(7.5)
    assert np.array_equal(tape.cut(8, 8.5), count[8 * SAMPLE_RATE : 8 * SAMPLE_RATE + 8000])
    with pytest.raises(AssertionError):
        tape.cut(2, 3)
