"""Samples in, an audio file out, part by part while the samples are still being made."""

from dataclasses import dataclass, field
from typing import Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

#: Samples per second of everything encoded here.
RATE = 24000


@dataclass(frozen=True, slots=True)
class _Target:
    container: str
    codec: str
    bit_rate: int = 0
    options: dict[str, str] = field(default_factory=dict)


# Bit rates are per second of mono speech; the lossless formats have none.
_TARGETS: dict[AudioFormat, _Target] = {
    # The Xing header is written last, at the front: out of reach once the front has been sent.
    "mp3": _Target("mp3", "libmp3lame", 64_000, {"write_xing": "0"}),
    # A page leaves only when it is full: the default of a second would hold back the first sound.
    "opus": _Target("ogg", "libopus", 48_000, {"page_duration": "100000"}),
    "aac": _Target("adts", "aac", 64_000),
    "flac": _Target("flac", "flac"),
    "wav": _Target("wav", "pcm_s16le"),
    "pcm": _Target("s16le", "pcm_s16le"),
}


class _Sink:
    """Where the container writes: no `seek`, so that it never counts on going back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Everything written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class Encoder:
    """One file: `feed` samples as they come, append what it returns, end with `finish`.

    The file can be played while it grows. Headers that would hold its length hold none, as in a
    live stream.
    """

    def __init__(self, format: AudioFormat) -> None:
        target = _TARGETS[format]
        self._sink = _Sink()
        self._container: OutputContainer = av.open(
            self._sink,
            "w",
            format=target.container,
            options={"flush_packets": "1", **target.options},
        )
        stream = self._container.add_stream(target.codec, rate=RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        if target.bit_rate:
            stream.bit_rate = target.bit_rate
        stream.codec_context.open()
        self._stream = stream
        # Codecs take frames of one size; the resampler cuts them and converts the sample type.
        self._cutter = av.AudioResampler(stream.format, "mono", RATE, stream.frame_size or None)
        self._position = 0

    def feed(self, samples: NDArray[np.float32]) -> bytes:
        """Encodes mono samples at `RATE`, shape `(samples,)`, cut off at full scale.

        Returns what can be sent now, often nothing for a few milliseconds of sound.
        """
        if samples.size:
            row = np.ascontiguousarray(samples.clip(-1.0, 1.0)[None, :], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(row, format="fltp", layout="mono")
            frame.sample_rate = RATE
            frame.pts = self._position
            self._position += samples.size
            self._encode(self._cutter.resample(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        """Returns the rest of the file. Nothing may be fed afterwards."""
        if self._position:
            self._encode(self._cutter.resample(None))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))
