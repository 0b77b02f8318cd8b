"""How loud a recording is over time, and how that is drawn."""

from pathlib import Path

import numpy as np
import pytest

from services.studio.waveform import Waveform, drawable, follow
from tests.recordings import mp3, tone, wav


def heights(path: str) -> list[float]:
    """How far a path is above the middle in each column."""
    points = path.removeprefix("M").removesuffix("Z").split("L")
    upper = points[: len(points) // 2]
    return [50 - float(point.split()[1]) for point in upper]


def test_a_peak_is_found_wherever_pieces_are_cut() -> None:
    samples = np.zeros(8_000, np.float32)
    samples[4_100] = -0.8
    for sizes in ([8_000], [123] * 65 + [5], [399, 7_601]):
        waveform = Waveform(8_000)
        for piece in np.split(samples, np.cumsum(sizes)[:-1]):
            waveform.add(piece)
        assert waveform.seconds == pytest.approx(1.0, abs=0.06)
        drawn = heights(waveform.path(0.0, 1.0, 20))
        assert [at for at, height in enumerate(drawn) if height > 40] == [10]


def test_the_loudest_reaches_the_edges_and_noise_does_not() -> None:
    loud, quiet = Waveform(8_000), Waveform(8_000)
    loud.add(np.full(8_000, 0.4, np.float32))
    quiet.add(np.full(8_000, 0.004, np.float32))
    assert max(heights(loud.path(0.0, 1.0, 10))) == 50
    assert max(heights(quiet.path(0.0, 1.0, 10))) < 5


def test_what_is_not_known_is_a_line_in_the_middle() -> None:
    waveform = Waveform(8_000)
    assert heights(waveform.path(0.0, 30.0, 5)) == [1] * 5
    waveform.add(np.full(8_000, 0.4, np.float32))
    assert heights(waveform.path(-1.0, 3.0, 4)) == [1, 50, 1, 1]


@pytest.mark.parametrize("content", [wav(tone(2.0)), mp3(2.0)], ids=["wav", "mp3"])
def test_a_recording_of_any_format_is_followed(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "voice"
    file.write_bytes(content)
    waveform = drawable()
    follow(file, waveform, lambda: False)
    assert waveform.seconds == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("content", [b"%PDF-1.7\n" + b"x" * 500, b"", wav(tone(2.0))[:40]])
def test_what_cannot_be_read_stays_without_a_waveform(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(content)
    waveform = drawable()
    follow(file, waveform, lambda: False)
    assert waveform.seconds == 0.0


def test_following_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "voice.wav"
    file.write_bytes(wav(tone(60.0)))
    waveform = drawable()
    follow(file, waveform, lambda: waveform.seconds > 3)
    assert waveform.seconds < 10
