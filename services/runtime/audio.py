"""Recordings in, samples out: any container ffmpeg reads, decoded, mixed to mono and resampled."""

import math
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from services.runtime.errors import Cancelled, ContentTooLarge, InvalidAudio, InvalidRequest

Samples = NDArray[np.float32]

#: What real recordings keep within. Beyond, a few bytes could ask for hours of work.
LOWEST_RATE, HIGHEST_RATE = 1_000, 384_000
MOST_CHANNELS = 16

#: Formats whose length ffmpeg guesses from the bit rate: their word is taken with a margin.
_GUESSED = frozenset({"mp3", "aac"})
_GUESS_MARGIN = 2.0

#: Full scale of the integer sample types. Eight bits are unsigned, around 128.
_FULL_SCALE = {"u1": 128.0, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}

#: Frames are gathered to about this many seconds before they are mixed and resampled: one call
#: of NumPy and soxr then does the work of forty.
_BLOCK_SECONDS = 1.0

_UNREADABLE = (
    "The audio cannot be read. Send a whole file in a common format, such as wav, mp3, m4a, ogg, "
    "flac or webm."
)


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What a recording may be at most."""

    max_seconds: float
    """Length in seconds."""


def decode(
    file: BinaryIO,
    rate: int,
    limits: AudioLimits,
    cancelled: Callable[[], bool] = lambda: False,
) -> Samples:
    """The whole of what `blocks` gives, shape `(samples,)`. Raises what that raises."""
    return np.concatenate(list(blocks(file, rate, limits, cancelled)))


def blocks(
    file: BinaryIO,
    rate: int,
    limits: AudioLimits,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Samples]:
    """Decodes the first audio stream of a seekable file, about a second at a time.

    Yields mono float32 samples at `rate` Hz, shape `(samples,)`, full scale at 1, channels
    averaged, samples that are no number silenced. Corrupt packets are skipped, as ffmpeg does, so a
    truncated file gives what it still holds. `cancelled` is asked between packets. However long the
    recording, memory stays the same.

    Raises `InvalidAudio` for what holds no readable audio, `ContentTooLarge` for more than
    `limits`, at once where the file declares its length, and `Cancelled`.
    """
    if file.seek(0, os.SEEK_END) == 0:
        raise InvalidAudio("The audio file is empty.", param="file")
    file.seek(0)
    try:
        # The callback and the whitelist keep playlists from opening other files or addresses.
        with av.open(
            file,
            mode="r",
            metadata_errors="ignore",
            container_options={"protocol_whitelist": "none"},
            io_open=_refuse_to_open,
        ) as container:
            yield from _decode_container(container, rate, limits, cancelled)
    except (av.error.FFmpegError, ValueError) as error:
        # ValueError: sample types that NumPy has no name for, text that is no UTF-8.
        raise InvalidAudio(_UNREADABLE, param="file") from error


def seconds_of(file: BinaryIO) -> float:
    """About how long a recording is, by its size alone: an estimate for the queue.

    As if it were 16-bit mono at 16 kHz; compressed ones are longer than that by a factor that does
    not matter among themselves.
    """
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(at)
    return size / 32_000


def _refuse_to_open(_url: str, _flags: int, _options: dict[str, str]) -> NoReturn:
    raise PermissionError("A recording may not refer to other files.")


def _decode_container(
    container: InputContainer, rate: int, limits: AudioLimits, cancelled: Callable[[], bool]
) -> Iterator[Samples]:
    if not container.streams.audio:
        raise InvalidAudio("The file holds no audio. Send a file with a sound track.", param="file")
    stream = container.streams.audio[0]
    _check_declared(container, stream, limits)
    most = math.ceil(limits.max_seconds * rate) + 1
    total = 0
    for samples in _mono(_frames(container, stream, cancelled), rate):
        total += samples.size
        if total > most:
            raise _too_long(limits)
        yield samples
    if total == 0:
        raise InvalidAudio("The audio holds no samples. Record again.", param="file")


def _mono(frames: Iterator[AudioFrame], rate: int) -> Iterator[Samples]:
    mono = _Mono(rate)
    for frame in frames:
        yield from mono.add(frame)
    yield from mono.end_part()


def _check_declared(container: InputContainer, stream: AudioStream, limits: AudioLimits) -> None:
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / av.time_base
    else:
        return
    guessed = bool(_GUESSED & set(container.format.name.split(",")))
    if seconds > limits.max_seconds * (_GUESS_MARGIN if guessed else 1.0):
        raise _too_long(limits)


def _frames(
    container: InputContainer, stream: AudioStream, cancelled: Callable[[], bool]
) -> Iterator[AudioFrame]:
    if stream.codec_context is None:
        raise InvalidAudio(_UNREADABLE, param="file")
    # Codec threads gain nothing on audio and would outnumber the cores the engines were given.
    stream.codec_context.thread_count = 1
    for packet in container.demux(stream):
        if cancelled():
            raise Cancelled("The request was cancelled.")
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            # A stream of audio yields audio frames; PyAV's types cannot say so.
            if isinstance(frame, AudioFrame):
                yield frame


class Resampler:
    """Brings a stream of mono samples to another rate, part by part, without seams."""

    def __init__(self, rate: int, new_rate: int) -> None:
        self._stream = soxr.ResampleStream(rate, new_rate, 1, "float32", "HQ")

    def feed(self, samples: Samples) -> Samples:
        """What can be said of the next samples. The last few milliseconds stay inside."""
        return np.asarray(self._stream.resample_chunk(samples), np.float32)

    def finish(self) -> Samples:
        """The rest. Nothing may be fed afterwards."""
        rest = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        return np.asarray(rest, np.float32)


class Pcm:
    """Raw samples as they come, signed 16-bit little-endian with channels interleaved, as mono."""

    def __init__(self, rate: int, channels: int, new_rate: int) -> None:
        self._channels = channels
        self._resampler = Resampler(rate, new_rate)

    def feed(self, data: bytes) -> Samples:
        """What can be said of the next bytes. Raises `InvalidRequest` where a sample is cut."""
        if len(data) % (2 * self._channels):
            raise InvalidRequest(
                f"A message of {len(data)} bytes ends within a sample; send multiples of "
                f"{2 * self._channels} bytes: 16 bits for each of {self._channels} channels."
            )
        frames = np.frombuffer(data, "<i2").reshape(-1, self._channels)
        return self._resampler.feed(_mixed(frames.T))

    def finish(self) -> Samples:
        """The rest. Nothing may be fed afterwards."""
        return self._resampler.finish()


class _Mono:
    """Gathers frames, mixes them to mono and resamples them, block by block.

    A stream may change its rate or its channels on the way; each change starts a new resampler.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._shape: tuple[int, int] | None = None
        self._resampler: Resampler | None = None
        self._pending: list[NDArray[Any]] = []
        self._pending_seconds = 0.0

    def add(self, frame: AudioFrame) -> Iterator[Samples]:
        shape = (frame.sample_rate, len(frame.layout.channels))
        if shape != self._shape:
            yield from self.end_part()
            self._shape = shape
            # A second of a recording must not cost more than a second of any real one would.
            if not LOWEST_RATE <= shape[0] <= HIGHEST_RATE or shape[1] > MOST_CHANNELS:
                raise InvalidAudio(
                    f"{shape[1]} channels at {shape[0]} Hz are not supported; send at most "
                    f"{MOST_CHANNELS} channels at {LOWEST_RATE} to {HIGHEST_RATE} Hz.",
                    param="file",
                )
            self._resampler = Resampler(shape[0], self._rate)
        self._pending.append(_channels(frame))
        self._pending_seconds += frame.samples / shape[0]
        if self._pending_seconds >= _BLOCK_SECONDS:
            yield from self._flush()

    def end_part(self) -> Iterator[Samples]:
        yield from self._flush()
        if self._resampler is not None:
            yield self._resampler.finish()

    def _flush(self) -> Iterator[Samples]:
        if self._resampler is not None and self._pending:
            mixed = _mixed(np.concatenate(self._pending, axis=1))
            self._pending.clear()
            self._pending_seconds = 0.0
            yield self._resampler.feed(mixed)


def _channels(frame: AudioFrame) -> NDArray[Any]:
    """The samples as decoded, shape `(channels, samples)`."""
    array = frame.to_ndarray()
    if frame.format.is_planar:
        return array
    return array.reshape(-1, len(frame.layout.channels)).T


def _mixed(channels: NDArray[Any]) -> Samples:
    """One channel, the mean of all, in -1..1."""
    kind = channels.dtype.str[1:]
    if kind in _FULL_SCALE:
        offset = 128 if kind == "u1" else 0
        mean = channels.mean(axis=0, dtype=np.float64) - offset
        return np.asarray(mean / _FULL_SCALE[kind], np.float32)
    # Floats may be anything at all: one infinity would silence the rest of the recording.
    finite = np.nan_to_num(channels.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    return np.asarray(finite.clip(-1.0, 1.0).mean(axis=0, dtype=np.float32))


def _too_long(limits: AudioLimits) -> ContentTooLarge:
    return ContentTooLarge(
        f"The audio is longer than the {limits.max_seconds:g} seconds allowed; send it in parts.",
        param="file",
    )
