"""Decoding: every container and every kind of broken file, made in memory."""

import io
import struct
import wave
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from services.runtime.audio import AudioLimits, Pcm, Resampler, blocks, decode
from services.runtime.errors import Cancelled, ContentTooLarge, InvalidAudio, InvalidRequest

LIMITS = AudioLimits(max_seconds=30)


def tone(hertz: float, seconds: float, rate: int, amplitude: float = 0.5) -> NDArray[np.float32]:
    times = np.arange(int(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def file_of(
    samples: NDArray[np.float32],
    rate: int,
    container: str = "wav",
    codec: str = "pcm_s16le",
    layout: str = "mono",
) -> io.BytesIO:
    """The samples, one row a channel, as a file."""
    file = io.BytesIO()
    rows = np.atleast_2d(samples)
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(rows, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    file.seek(0)
    return file


def raw_wav(data: bytes, rate: int, tag: int, bits: int, channels: int = 1) -> io.BytesIO:
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", len(data)) + data
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)


def loudness(samples: NDArray[np.float32]) -> float:
    """Peak amplitude of a tone, edges left out."""
    inner = samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)
    return float(np.sqrt(2 * np.mean(inner**2)))


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_u8", 8000),
        ("wav", "pcm_s16le", 16000),
        ("wav", "pcm_s24le", 48000),
        ("wav", "pcm_s32le", 44100),
        ("wav", "pcm_f32le", 44100),
        ("wav", "pcm_f64le", 44100),
        ("wav", "pcm_s16le", 96000),
        ("aiff", "pcm_s16be", 22050),
        ("mp3", "libmp3lame", 44100),
        ("ogg", "libopus", 48000),
        ("flac", "flac", 44100),
        ("mp4", "aac", 44100),
        ("adts", "aac", 44100),
        ("webm", "libopus", 48000),
        ("matroska", "pcm_s16le", 48000),
    ],
)
def test_every_format_keeps_length_and_loudness(container: str, codec: str, rate: int) -> None:
    samples = decode(file_of(tone(440, 2, rate), rate, container, codec), 16000, LIMITS)

    assert samples.dtype == np.float32
    assert samples.shape == (len(samples),)
    assert len(samples) / 16000 == pytest.approx(2, abs=0.15)
    assert loudness(samples) == pytest.approx(0.5, rel=0.05)


def test_uncompressed_audio_keeps_its_exact_length() -> None:
    for rate in (8000, 11025, 16000, 22050, 44100, 96000):
        samples = decode(file_of(tone(440, 3, rate), rate), 16000, LIMITS)
        assert abs(len(samples) - 48000) <= 1


def test_the_resampled_tone_is_the_tone() -> None:
    samples = decode(file_of(tone(1000, 2, 44100), 44100, codec="pcm_f32le"), 16000, LIMITS)
    assert np.abs(samples - tone(1000, 2, 16000))[800:-800].max() < 1e-3


def test_a_tone_above_the_new_nyquist_vanishes_and_does_not_alias() -> None:
    both = tone(1000, 2, 48000, 0.25) + tone(11000, 2, 48000, 0.5)
    samples = decode(file_of(both, 48000, codec="pcm_f32le"), 16000, LIMITS)

    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) * 4 / len(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / 16000)
    assert spectrum[np.abs(hertz - 1000) < 5].max() == pytest.approx(0.25, rel=0.02)
    # 11 kHz sampled at 16 kHz would fold to 5 kHz.
    assert spectrum[np.abs(hertz - 1000) > 50].max() < 1e-4


def test_six_channels_are_averaged() -> None:
    channels = np.stack([tone(440, 1, 48000, level / 10) for level in range(1, 7)])
    samples = decode(file_of(channels, 48000, layout="5.1"), 16000, LIMITS)
    assert len(samples) == 16000
    assert loudness(samples) == pytest.approx(0.35, rel=0.02)


def test_opposite_channels_cancel() -> None:
    left = tone(440, 1, 16000)
    samples = decode(file_of(np.stack([left, -left]), 16000, layout="stereo"), 16000, LIMITS)
    assert np.abs(samples).max() < 1e-3


def test_channels_without_a_known_layout_are_averaged() -> None:
    data = np.full((1600, 11), 3276, "<i2").tobytes()
    samples = decode(raw_wav(data, 16000, 1, 16, channels=11), 16000, LIMITS)
    assert samples[800] == pytest.approx(0.1, abs=1e-3)


def test_samples_that_are_no_number_are_silenced_and_the_rest_survives() -> None:
    samples = tone(440, 1, 16000)
    samples[100], samples[200], samples[300], samples[400] = np.nan, np.inf, -np.inf, 1e30
    decoded = decode(raw_wav(samples.astype("<f4").tobytes(), 16000, 3, 32), 16000, LIMITS)

    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1.1
    assert decoded[100] == 0
    assert np.abs(decoded[1000:] - samples[1000:]).max() < 1e-3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"this is a letter, not a recording\n" * 200,
        "ni una palabra de esto es música\n".encode() * 200,
        bytes(5000),
        np.random.default_rng(1).bytes(50_000),
        b'{"not": "audio"}',
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
    ids=["empty", "magic", "text", "utf-8", "zeros", "noise", "json", "playlist", "concat"],
)
def test_what_is_no_recording_is_refused_with_advice(
    content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidAudio) as refusal:
        decode(io.BytesIO(content), 16000, LIMITS)
    assert refusal.value.param == "file"
    assert refusal.value.message.endswith(".")
    assert capfd.readouterr() == ("", "")


def test_a_recording_of_no_samples_is_refused() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(16000)
    with pytest.raises(InvalidAudio, match="no samples"):
        decode(file, 16000, LIMITS)


def test_a_film_without_sound_is_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            picture = VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with pytest.raises(InvalidAudio, match="no audio"):
        decode(file, 16000, LIMITS)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("flac", "flac"), ("ogg", "libopus")],
)
def test_a_truncated_recording_gives_what_it_still_holds(
    container: str, codec: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = file_of(tone(440, 8, 48000), 48000, container, codec).getvalue()
    samples = decode(io.BytesIO(whole[: len(whole) // 2]), 16000, LIMITS)
    assert 2 < len(samples) / 16000 < 6
    assert capfd.readouterr() == ("", "")


def test_a_truncated_file_whose_index_was_at_the_end_is_refused() -> None:
    whole = file_of(tone(440, 8, 48000), 48000, "mp4", "aac").getvalue()
    with pytest.raises(InvalidAudio):
        decode(io.BytesIO(whole[: len(whole) // 2]), 16000, LIMITS)


def test_corrupt_packets_are_skipped() -> None:
    whole = bytearray(file_of(tone(440, 8, 48000), 48000, "flac", "flac").getvalue())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = bytes(2000)
    samples = decode(io.BytesIO(bytes(whole)), 16000, LIMITS)
    assert 4 < len(samples) / 16000 <= 8.1


def test_tags_that_are_no_utf_8_do_not_matter() -> None:
    whole = file_of(tone(440, 1, 16000), 16000).getvalue()
    tag = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"\xff\xfe\xe9\x00"
    body = whole[8:] + tag
    file = io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert len(decode(file, 16000, LIMITS)) == 16000


class _Counting(io.BytesIO):
    """Counts the bytes read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_three_hours_are_refused_at_once_where_the_header_says_so() -> None:
    hours = _Counting(raw_wav(bytes(3 * 3600 * 2 * 2000), 2000, 1, 16).getvalue())
    with pytest.raises(ContentTooLarge, match="30 seconds"):
        decode(hours, 16000, LIMITS)
    assert hours.taken < 2**20


def test_a_file_that_hides_its_length_is_refused_at_the_limit() -> None:
    # Bare AAC frames carry no length.
    whole = file_of(tone(440, 20, 16000), 16000, "adts", "aac")
    with pytest.raises(ContentTooLarge, match="12 seconds"):
        decode(whole, 16000, AudioLimits(max_seconds=12))


def test_a_recording_as_long_as_the_limit_is_accepted() -> None:
    samples = decode(file_of(tone(440, 5, 44100), 44100), 16000, AudioLimits(max_seconds=5))
    assert abs(len(samples) - 80000) <= 1


def test_decoding_stops_when_the_caller_leaves() -> None:
    file = _Counting(file_of(tone(440, 25, 48000), 48000).getvalue())
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        decode(file, 16000, LIMITS, lambda: next(answers))
    assert file.taken < len(file.getvalue()) / 2


@pytest.mark.parametrize("position", ["start", "end"])
def test_the_position_of_the_file_does_not_matter(position: str) -> None:
    file = file_of(tone(440, 1, 16000), 16000)
    moves: dict[str, Callable[[], int]] = {
        "start": lambda: file.seek(0),
        "end": lambda: file.seek(0, io.SEEK_END),
    }
    moves[position]()
    assert len(decode(file, 16000, LIMITS)) == 16000


@pytest.mark.parametrize("step", [1, 100, 4096, 10**6])
def test_resampling_part_by_part_leaves_no_seam(step: int) -> None:
    samples = tone(440, 0.5, 22050)
    resampler = Resampler(22050, 24000)
    parts = [resampler.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    joined = np.concatenate([*parts, resampler.finish()])
    assert abs(len(joined) - 12000) <= 1
    assert np.abs(joined[:12000] - tone(440, 0.5, 24000)[: len(joined)])[500:-500].max() < 1e-3


@pytest.mark.parametrize(("rate", "channels"), [(655_350, 1), (500, 1), (16_000, 24)])
def test_what_no_microphone_makes_is_refused_rather_than_worked_on(
    rate: int, channels: int
) -> None:
    data = np.zeros((rate // 10, channels), "<i2").tobytes()
    with pytest.raises(InvalidAudio, match="at most 16 channels at 1000 to 384000 Hz"):
        decode(raw_wav(data, rate, 1, 16, channels), 16000, LIMITS)


def test_a_recording_comes_in_blocks_of_about_a_second() -> None:
    whole = tone(220, 7.3, 44_100)
    parts = list(blocks(file_of(whole, 44_100), 16_000, LIMITS))
    assert max(part.size for part in parts) <= 2 * 16_000
    assert np.array_equal(np.concatenate(parts), decode(file_of(whole, 44_100), 16_000, LIMITS))


def test_a_recording_that_is_too_long_gives_what_comes_before_the_limit() -> None:
    # A format that does not say how long it is.
    file = file_of(tone(220, 5, 16_000), 16_000, "adts", "aac")
    coming = blocks(file, 16_000, AudioLimits(max_seconds=3))
    assert 0 < next(coming).size < 2 * 16_000
    with pytest.raises(ContentTooLarge):
        list(coming)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 2), (44_100, 1), (96_000, 8)])
def test_raw_samples_become_mono_at_another_rate(rate: int, channels: int) -> None:
    wave = tone(440, 1.0, rate)
    data = np.repeat((wave * 32767).astype("<i2"), channels).tobytes()
    pcm = Pcm(rate, channels, 16_000)
    step = 2 * channels * 333
    heard = [pcm.feed(data[at : at + step]) for at in range(0, len(data), step)]
    samples = np.concatenate([*heard, pcm.finish()])
    assert samples.size == pytest.approx(16_000, abs=2)
    assert loudness(samples) == pytest.approx(0.5, abs=0.01)


def test_raw_samples_that_end_in_the_middle_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="multiples of 4"):
        Pcm(16_000, 2, 16_000).feed(bytes(10))
