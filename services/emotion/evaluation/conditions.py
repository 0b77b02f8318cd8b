"""What clips suffer in the test of robustness: noise of every kind and strength, lines, rooms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from numpy.random import Generator

from services.emotion.degradation import (
    Sounds,
    babble,
    clipped,
    gained,
    mixed,
    mp3,
    opus,
    reverberated,
    telephone,
    white,
)
from services.emotion.engine import Samples
from services.emotion.evaluation.answers import Degradation

SNRS = (20.0, 15.0, 10.0, 5.0, 0.0, -5.0)
RT60S = (0.3, 0.6, 1.0)
CLIPPINGS = (6.0, 12.0, 20.0)
GAINS = (-40.0, -20.0, 20.0)

NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Condition:
    """`family` says what is varied, `kind` and `level` what it is and how strong, in `unit`."""

    family: str
    kind: str
    level: float
    unit: str
    degrade: Degradation


def conditions(noise: Sounds, voices: Sequence[Samples]) -> list[Condition]:
    """All of them, with `noise` by kind; babble is made of `voices` where there are any."""
    return [*_noises(noise, voices), *_others()]


def _noises(noise: Sounds, voices: Sequence[Samples]) -> Iterator[Condition]:
    for snr in SNRS:
        yield Condition(NOISE, "white", snr, "dB", partial(_in_white, snr=snr))
        if voices:
            yield Condition(NOISE, "babble", snr, "dB", partial(_in_babble, voices=voices, snr=snr))
        for kind, recordings in sorted(noise.items()):
            degrade = partial(_in_recorded, recordings=recordings, snr=snr)
            yield Condition(NOISE, kind.replace("_", " "), snr, "dB", degrade)


def _others() -> Iterator[Condition]:
    yield Condition("line", "telephone", 8, "kHz", lambda samples, _: telephone(samples))
    yield Condition("line", "mp3", 32, "kbit/s", lambda samples, _: mp3(samples))
    yield Condition("line", "opus", 12, "kbit/s", lambda samples, _: opus(samples))
    for rt60 in RT60S:
        yield Condition("room", "reverberation", rt60, "s", partial(_in_room, rt60=rt60))
    for db in CLIPPINGS:
        yield Condition("level", "clipping", db, "dB", partial(_clipped, db=db))
    for db in GAINS:
        yield Condition("level", "gain", db, "dB", partial(_gained, db=db))


def _in_white(samples: Samples, random: Generator, *, snr: float) -> Samples:
    return mixed(samples, white(samples.size, random), snr, random)


def _in_babble(
    samples: Samples, random: Generator, *, voices: Sequence[Samples], snr: float
) -> Samples:
    return mixed(samples, babble(voices, samples.size, random), snr, random)


def _in_recorded(
    samples: Samples, random: Generator, *, recordings: Sequence[Samples], snr: float
) -> Samples:
    return mixed(samples, recordings[int(random.integers(len(recordings)))], snr, random)


def _in_room(samples: Samples, random: Generator, *, rt60: float) -> Samples:
    return reverberated(samples, rt60, random)


def _clipped(samples: Samples, _random: Generator, *, db: float) -> Samples:
    return clipped(samples, db)


def _gained(samples: Samples, _random: Generator, *, db: float) -> Samples:
    return gained(samples, db)
