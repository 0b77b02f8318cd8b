"""The band with its real SoundFont: length, loudness, parts, and the same sound every time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from services.melody.band import Band, Instrument
from services.melody.composition import PARTS, Note, Part, Passage, Plan
from services.melody.engine import Samples
from services.melody.player import Player
from services.runtime.errors import ModelLoadFailed
from services.runtime.loudness import TARGET, loudness
from services.runtime.worker import Cancellation
from tests.fakes.tunes import BAND, passage, tune

SOUNDFONT = Path(str(files("pretty_midi") / "TimGM6mb.sf2"))
RATE = 44_100


@pytest.fixture(scope="module")
def player() -> Player:
    return Player(SOUNDFONT)


def played(player: Player, plan: Plan, passages: tuple[Passage, ...], band: Band = BAND) -> Samples:
    return np.concatenate(list(player.play(plan, band, passages, Cancellation())))


def pitch(samples: Samples) -> float:
    """The strongest frequency as a MIDI number."""
    mono = samples.sum(axis=1)
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 8 * RATE))
    return float(69 + 12 * np.log2(np.argmax(spectrum) / 8 / 440))


def alone(part: Part, *notes: Note, bars: int = 2) -> tuple[Plan, tuple[Passage, ...]]:
    passages = (Passage("verse", bars, {part: notes}, ()),)
    plan, _ = tune(seconds=bars * 2.0 + 1)
    return Plan("pop", plan.key, 120, plan.seconds, (("verse", bars),)), passages


@pytest.mark.parametrize("tempo", [63.0, 120.0, 177.7])
def test_a_piece_is_as_long_and_as_loud_as_it_should_be(player: Player, tempo: float) -> None:
    plan, passages = tune(tempo)
    samples = played(player, plan, passages)

    assert samples.shape == (round(plan.seconds * RATE), 2)
    assert samples.dtype == np.float32
    assert loudness(samples, RATE) == pytest.approx(TARGET, abs=1)
    assert 20 * np.log10(np.abs(resample_poly(samples, 4, 1, axis=0)).max()) < -1


@pytest.mark.parametrize("seconds", [1.0, 4.0, 12.345, 20.0])
def test_a_piece_that_is_cut_short_fades(player: Player, seconds: float) -> None:
    plan, passages = tune(seconds=seconds)
    samples = played(player, plan, passages)

    assert len(samples) == round(seconds * RATE)
    assert np.abs(samples[-RATE // 100 :]).max() < 0.1 * np.abs(samples).max()


def test_the_last_note_rings_and_the_end_is_silent(player: Player) -> None:
    plan, passages = alone("chords", *(Note(60 + at, 4, 4) for at in (0, 4, 7)))
    samples = played(player, plan, passages)

    assert np.abs(samples[round(4.1 * RATE) : round(4.4 * RATE)]).max() > 0.003
    assert np.abs(samples[-50:]).max() < 1e-4


def test_the_first_sound_comes_before_the_second_passage(player: Player) -> None:
    taken = 0

    def passages() -> Iterator[Passage]:
        nonlocal taken
        for each in tune()[1]:
            taken += 1
            yield each

    first = next(player.play(tune()[0], BAND, passages(), Cancellation()))
    assert taken == 1
    assert len(first) > 3 * RATE


def test_the_same_piece_sounds_the_same_even_beside_others(player: Player) -> None:
    plan, passages = tune()
    alone = played(player, plan, passages)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda _: played(player, plan, passages), range(3)))
    assert all(np.array_equal(each, alone) for each in together)


@pytest.mark.parametrize("number", [45, 60, 69, 81])
def test_a_note_has_its_pitch_and_its_time(player: Player, number: int) -> None:
    band = BAND.model_copy(update={"lead": BAND.lead.model_copy(update={"program": 80})})
    samples = played(player, *alone("lead", Note(number, 3, 2)), band)

    assert np.abs(samples[: round(1.49 * RATE)]).max() < 1e-4
    # An octave above may be stronger than the note itself.
    off = pitch(samples[round(1.6 * RATE) : round(2.4 * RATE)]) - number
    assert abs(off - 12 * round(off / 12)) < 0.3


def test_a_key_struck_again_while_it_is_held_sounds_on(player: Player) -> None:
    again = alone("lead", Note(69, 0, 4), Note(69, 1, 3))
    samples = played(player, *again)
    assert np.abs(samples[round(1.7 * RATE) : round(1.9 * RATE)]).max() > 0.02


def test_who_stands_left_is_heard_left(player: Player) -> None:
    band = BAND.model_copy(update={"lead": BAND.lead.model_copy(update={"pan": -0.9})})
    left, right = np.square(played(player, *alone("lead", Note(69, 0, 4)), band)).mean(axis=0)
    # The room answers from both sides.
    assert left > 2.5 * right


def test_stems_add_up_to_the_mix(player: Player) -> None:
    plan, passages = tune()
    mix = played(player, plan, passages)
    pieces = player.stems(plan, BAND, passages, Cancellation())
    stems = {
        part: np.concatenate([piece.samples for piece in pieces])
        for part, pieces in groupby(pieces, lambda piece: piece.part)
    }

    assert list(stems) == list(PARTS)
    assert {stem.shape for stem in stems.values()} == {mix.shape}
    together = np.sum(list(stems.values()), axis=0)
    # The limiter is at work only where the sum is loud.
    quiet = np.abs(together).max(axis=1) < 0.1
    apart = np.abs(mix - together).max(axis=1)
    assert np.median(apart[quiet]) < 1e-4
    assert np.corrcoef(mix.ravel(), together.ravel())[0, 1] > 0.99


def test_whatever_the_melody_is_played_on_it_is_about_as_loud_beside_the_band(
    player: Player,
) -> None:
    plan, passages = tune(seconds=8)
    balances = []
    for program in (0, 29, 73, 80):
        band = BAND.model_copy(update={"lead": Instrument(program=program)})
        stems = player.stems(plan, band, passages, Cancellation())
        levels = {stem.part: loudness(stem.samples, RATE) for stem in stems}
        balances.append(levels["lead"] - levels["bass"])
    assert max(balances) - min(balances) < 6
    assert min(balances) > 0


def test_silence_is_no_reason_to_fail(player: Player) -> None:
    samples = played(player, *alone("lead"))
    assert len(samples) == 5 * RATE
    assert not samples.any()


def test_who_cancels_hears_no_more(player: Player) -> None:
    plan, passages = tune()
    cancelled = Cancellation()
    sound = player.play(plan, BAND, iter((*passages, passage("outro", 4))), cancelled)
    heard = len(next(sound))
    cancelled.set()
    assert heard + sum(len(piece) for piece in sound) < 5 * RATE
    assert list(player.stems(plan, BAND, passages, cancelled)) == []


def test_a_file_that_is_no_soundfont_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed):
        Player(tmp_path / "missing.sf2")
    wrong = tmp_path / "wrong.sf2"
    wrong.write_bytes(b"RIFF0000sfbk")
    with pytest.raises(ModelLoadFailed):
        Player(wrong)
