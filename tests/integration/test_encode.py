"""Encoding: the parts, joined, are a file that plays; they come while the sound is made."""

import gc
import io
import wave
from typing import get_args

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from services.runtime.audio import AudioLimits, decode
from services.runtime.encode import RATE, AudioFormat, Encoder, encoded
from services.runtime.errors import Cancelled

FORMATS: tuple[AudioFormat, ...] = get_args(AudioFormat)
FILES: tuple[AudioFormat, ...] = tuple(name for name in FORMATS if name != "pcm")
LIMITS = AudioLimits(max_seconds=60)


def tone(seconds: float, amplitude: float = 0.5) -> NDArray[np.float32]:
    times = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def chord(seconds: float, rate: int) -> NDArray[np.float32]:
    """Another tone on each side."""
    times = np.arange(round(seconds * rate))[:, None] / rate
    return (0.5 * np.sin(2 * np.pi * np.array([440.0, 660.0]) * times)).astype(np.float32)


def streamed(
    samples: NDArray[np.float32], format: AudioFormat, step: int, rate: int = RATE
) -> bytes:
    encoder = Encoder(format, rate, 1 if samples.ndim == 1 else samples.shape[1])
    parts = [encoder.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    return b"".join([*parts, encoder.finish()])


@pytest.mark.parametrize("step", [333, 24_000, 10**6])
@pytest.mark.parametrize("format", FILES)
def test_the_file_plays_and_keeps_length_and_loudness(format: AudioFormat, step: int) -> None:
    decoded = decode(io.BytesIO(streamed(tone(3), format, step)), RATE, LIMITS)

    assert len(decoded) / RATE == pytest.approx(3, abs=0.12)
    inner = decoded[RATE:-RATE].astype(np.float64)
    assert np.sqrt(2 * np.mean(inner**2)) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("format", "magic"),
    [("mp3", b"\xff\xf3"), ("opus", b"OggS"), ("aac", b"\xff\xf1"), ("flac", b"fLaC"),
     ("wav", b"RIFF"), ("ogg", b"OggS")],
)  # fmt: skip
def test_each_format_is_what_it_is_called(format: AudioFormat, magic: bytes) -> None:
    content = streamed(tone(0.5), format, 4000)
    start = content[10 + int.from_bytes(content[6:10]) :] if content[:3] == b"ID3" else content
    assert start.startswith(magic)


def test_pcm_is_the_bare_samples() -> None:
    samples = tone(0.3)
    values = np.frombuffer(streamed(samples, "pcm", 1000), "<i2")
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
    with wave.open(io.BytesIO(streamed(tone(1), "wav", 5000))) as file:
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


def heard(content: bytes) -> tuple[NDArray[np.float32], int]:
    """The samples of a file, `(samples, channels)`, and their rate."""
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.audio[0]
        cutter = av.AudioResampler("fltp", stream.layout, stream.rate)
        frames = [part for frame in container.decode(stream) for part in cutter.resample(frame)]
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T, stream.rate


def pitch(samples: NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
@pytest.mark.parametrize("format", FILES)
def test_each_side_of_stereo_is_heard_on_its_side(format: AudioFormat, rate: int) -> None:
    samples, heard_rate = heard(streamed(chord(2, rate), format, 5000, rate))

    assert samples.shape[1] == 2
    assert pitch(samples[:, 0], heard_rate) == pytest.approx(440, abs=1)
    assert pitch(samples[:, 1], heard_rate) == pytest.approx(660, abs=1)


# ADTS, the frame stream of AAC, has no header that could hold a length.
@pytest.mark.parametrize("format", [name for name in FILES if name != "aac"])
@pytest.mark.parametrize("rate", [24_000, 32_000, 44_100])
def test_a_whole_file_says_how_long_it_is(format: AudioFormat, rate: int) -> None:
    with av.open(io.BytesIO(encoded(chord(7.1, rate), format, rate)), "r") as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(7.1, abs=0.02)


def test_music_has_room_for_more_than_speech() -> None:
    speech, music = encoded(tone(3), "mp3", RATE), encoded(chord(3, 44_100), "mp3", 44_100)

    assert 8 * len(speech) / 3 == pytest.approx(64_000, rel=0.05)
    assert 8 * len(music) / 3 == pytest.approx(192_000, rel=0.05)


def test_sound_of_other_channels_than_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        Encoder("wav", 44_100, 1).feed(chord(0.1, 44_100))


def test_a_file_that_nobody_wants_any_more_is_not_finished() -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        encoded(np.zeros(8000 * 60, np.float32), "mp3", 8000, lambda: next(asked))
