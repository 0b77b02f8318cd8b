"""Samples in, an audio file out: part by part while the samples are still being made, or whole."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from services.runtime.errors import Cancelled

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "ogg"]

#: Samples per second of speech, and the most that is taken for speech.
RATE = 24000

_LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True, slots=True)
class _Target:
    """Bit rates are per second of one channel; the lossless formats have none."""

    container: str
    codec: str
    speech_bit_rate: int = 0
    music_bit_rate: int = 0
    music_options: dict[str, str] = field(default_factory=dict)
    streamed: dict[str, str] = field(default_factory=dict)


# A page leaves only when it is full: the default of a second would hold back the first sound.
_PAGES = {"page_duration": "100000"}

_TARGETS: dict[AudioFormat, _Target] = {
    # At this rate LAME's quicker search takes half the time of its usual one. The
    # Xing header is written last, at the front: out of reach once the front has been sent.
    "mp3": _Target(
        "mp3", "libmp3lame", 64_000, 96_000, {"compression_level": "7"}, {"write_xing": "0"}
    ),
    "opus": _Target("ogg", "libopus", 48_000, 80_000, streamed=_PAGES),
    "aac": _Target("adts", "aac", 64_000, 96_000),
    "flac": _Target("flac", "flac"),
    "wav": _Target("wav", "pcm_s16le"),
    "pcm": _Target("s16le", "pcm_s16le"),
    # Opus too, since ffmpeg's own Vorbis encoder is experimental; never as low as for speech.
    "ogg": _Target("ogg", "libopus", 80_000, 80_000, streamed=_PAGES),
}


def encoded(
    samples: NDArray[np.float32],
    format: AudioFormat,
    rate: int,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    bit_rate: int = 0,
) -> bytes:
    """Encodes a whole file, whose headers say how long it is.

    `samples` are `(samples,)` or `(samples, channels)`, one channel or two, cut off at full scale.
    `cancelled` is asked once for each second of sound. Raises `Cancelled`. `bit_rate` is per second
    of one channel; 0 for what suits the format.
    """
    file = WholeFile(format, rate, 1 if samples.ndim == 1 else samples.shape[1], bit_rate)
    # A second at a time: the encoder's copies stay small.
    for start in range(0, len(samples), rate):
        if cancelled():
            raise Cancelled("The file is not wanted any more.")
        file.feed(samples[start : start + rate])
    return file.finish()


class WholeFile:
    """A file whose headers say how long it is: `feed` samples as they come, `finish` gives it all.

    `channels` is 1 or 2; `bit_rate` is per second of one channel, 0 for what suits the format.
    """

    def __init__(self, format: AudioFormat, rate: int, channels: int, bit_rate: int = 0) -> None:
        self._buffer = io.BytesIO()
        self._file = _File(self._buffer, _TARGETS[format], {}, rate, channels, bit_rate)

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Encodes samples, shape `(samples,)` or `(samples, channels)`, cut off at full scale."""
        self._file.feed(samples)

    def finish(self) -> bytes:
        """The file. Nothing may be fed afterwards."""
        self._file.finish()
        return self._buffer.getvalue()


class Encoder:
    """One file: `feed` samples as they come, append what it returns, end with `finish`.

    The file can be played while it grows. Headers that would hold its length hold none, as in a
    live stream. `channels` is 1 or 2.
    """

    def __init__(self, format: AudioFormat, rate: int = RATE, channels: int = 1) -> None:
        target = _TARGETS[format]
        self._sink = _Sink()
        options = {"flush_packets": "1", **target.streamed}
        self._file = _File(self._sink, target, options, rate, channels)

    def feed(self, samples: NDArray[np.float32]) -> bytes:
        """Encodes samples, shape `(samples,)` or `(samples, channels)`, cut off at full scale.

        Returns what can be sent now, often nothing for a few milliseconds of sound.
        """
        self._file.feed(samples)
        return self._sink.take()

    def finish(self) -> bytes:
        """Returns the rest of the file. Nothing may be fed afterwards."""
        self._file.finish()
        return self._sink.take()


class _Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Sink:
    """Where the container of a stream writes: no `seek`, so that it never counts on going back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Everything written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class _File:
    """A container with one track. Where there is a `seek`, its headers are completed at the end."""

    def __init__(
        self,
        sink: _Writable,
        target: _Target,
        options: dict[str, str],
        rate: int,
        channels: int,
        bit_rate: int = 0,
    ) -> None:
        self._rate, self._channels, self._layout = rate, channels, _LAYOUTS[channels]
        self._container: OutputContainer = av.open(
            sink, "w", format=target.container, options=options
        )
        codec_rate = _rate_for(target.codec, rate)
        stream = self._container.add_stream(target.codec, rate=codec_rate, layout=self._layout)
        assert isinstance(stream, AudioStream)
        usual = target.speech_bit_rate
        if rate > RATE:
            usual = target.music_bit_rate
            stream.codec_context.options = target.music_options
        if usual:
            stream.bit_rate = (bit_rate or usual) * channels
        stream.codec_context.open()
        self._stream = stream
        # Codecs take frames of one size; the resampler cuts them and converts the sample type.
        self._cutter = av.AudioResampler(
            stream.format, self._layout, codec_rate, stream.frame_size or None
        )
        self._position = 0

    def feed(self, samples: NDArray[np.float32]) -> None:
        if not samples.size:
            return
        if samples.size != len(samples) * self._channels:
            raise ValueError(f"The file has {self._channels} channels, unlike {samples.shape}.")
        row = np.ascontiguousarray(samples.clip(-1.0, 1.0).reshape(1, -1), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(row, format="flt", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._position
        self._position += len(samples)
        self._encode(self._cutter.resample(frame))

    def finish(self) -> None:
        if self._position:
            self._encode(self._cutter.resample(None))
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))


def _rate_for(codec: str, rate: int) -> int:
    """The rate itself where the codec takes it, or else the next higher one that it does."""
    rates = av.Codec(codec, "w").audio_rates
    if not rates or rate in rates:
        return rate
    return min((other for other in rates if other > rate), default=max(rates))
