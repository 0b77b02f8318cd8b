import numpy as np
import pytest
from numpy.typing import NDArray

from services.runtime.tempo import Tempo

RATE = 24000


def tone(seconds: float) -> NDArray[np.float32]:
    times = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


@pytest.mark.parametrize("step", [1000, 10**6])
@pytest.mark.parametrize("speed", [0.25, 0.3, 0.5, 1.25, 2.0, 3.0, 4.0])
def test_the_length_follows_the_speed_and_the_pitch_stays(speed: float, step: int) -> None:
    samples = tone(4)
    tempo = Tempo(RATE, speed)
    parts = [tempo.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    faster = np.concatenate([*parts, tempo.finish()])

    assert faster.dtype == np.float32
    assert len(faster) / RATE == pytest.approx(4 / speed, abs=0.1)
    spectrum = np.abs(np.fft.rfft(faster))
    assert np.fft.rfftfreq(len(faster), 1 / RATE)[spectrum.argmax()] == pytest.approx(440, abs=3)


def test_sound_comes_out_while_it_goes_in() -> None:
    assert len(Tempo(RATE, 2.0).feed(tone(2))) > 0.7 * RATE


def test_nothing_gives_nothing() -> None:
    tempo = Tempo(RATE, 2.0)
    assert tempo.feed(np.zeros(0, np.float32)).size == 0
    assert tempo.finish().size == 0
