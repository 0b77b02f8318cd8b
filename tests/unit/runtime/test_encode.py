"""Encoding: the parts, joined, are a file that plays; they come while the sound is made."""

import gc
import io
import wave
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from services.runtime.audio import AudioLimits, decode
from services.runtime.encode import RATE, AudioFormat, Encoder

FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
FILES: tuple[AudioFormat, ...] = tuple(name for name in FORMATS if name != "pcm")
LIMITS = AudioLimits(max_seconds=60)


def tone(seconds: float, amplitude: float = 0.5) -> NDArray[np.float32]:
    times = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def encoded(samples: NDArray[np.float32], format: AudioFormat, step: int) -> bytes:
    encoder = Encoder(format)
    parts = [encoder.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    return b"".join([*parts, encoder.finish()])


@pytest.mark.parametrize("step", [333, 24_000, 10**6])
@pytest.mark.parametrize("format", FILES)
def test_the_file_plays_and_keeps_length_and_loudness(format: AudioFormat, step: int) -> None:
    decoded = decode(io.BytesIO(encoded(tone(3), format, step)), RATE, LIMITS)

    assert len(decoded) / RATE == pytest.approx(3, abs=0.12)
    inner = decoded[RATE:-RATE].astype(np.float64)
    assert np.sqrt(2 * np.mean(inner**2)) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("format", "magic"),
    [("mp3", b"\xff\xf3"), ("opus", b"OggS"), ("aac", b"\xff\xf1"), ("flac", b"fLaC"),
     ("wav", b"RIFF")],
)  # fmt: skip
def test_each_format_is_what_it_is_called(format: AudioFormat, magic: bytes) -> None:
    content = encoded(tone(0.5), format, 4000)
    start = content[10 + int.from_bytes(content[6:10]) :] if content[:3] == b"ID3" else content
    assert start.startswith(magic)


def test_pcm_is_the_bare_samples() -> None:
    samples = tone(0.3)
    values = np.frombuffer(encoded(samples, "pcm", 1000), "<i2")
    assert len(values) == len(samples)
    assert np.abs(values / 32768 - samples).max() < 1e-4


@pytest.mark.parametrize("format", FORMATS)
def test_the_first_second_can_be_sent_before_the_next_is_made(format: AudioFormat) -> None:
    first = Encoder(format).feed(tone(1))
    if format == "pcm":
        assert len(first) == 2 * RATE
    else:
        assert len(decode(io.BytesIO(first), RATE, LIMITS)) / RATE > 0.6


def test_the_standard_library_reads_the_wave_file() -> None:
    with wave.open(io.BytesIO(encoded(tone(1), "wav", 5000))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        assert len(file.readframes(10 * RATE)) == 2 * RATE


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_louder_than_full_scale_is_cut_off(format: AudioFormat) -> None:
    encoder = Encoder(format)
    content = encoder.feed(tone(1, amplitude=4)) + encoder.finish()
    assert content


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_no_samples_can_be_finished(format: AudioFormat) -> None:
    encoder = Encoder(format)
    assert encoder.feed(np.zeros(0, np.float32)) is not None
    encoder.finish()


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_may_be_dropped_half_way(
    format: AudioFormat, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = Encoder(format)
    encoder.feed(tone(0.5))
    del encoder
    gc.collect()
    assert capfd.readouterr() == ("", "")
