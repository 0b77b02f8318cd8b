"""Recordings as people send them: whole, odd and broken."""

import io
import math
import struct

import av
import numpy as np


def tone(seconds: float, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    """A quiet 220 Hz tone, shape (samples, channels), float32."""
    times = np.arange(int(seconds * rate)) / rate
    wave = (0.1 * np.sin(2 * math.pi * 220 * times)).astype(np.float32)
    return np.repeat(wave[:, None], channels, axis=1)


def wav(samples: np.ndarray, rate: int = 16_000, kind: str = "s16") -> bytes:
    """A RIFF WAVE file. `kind` is u8, s16, s24 or f32."""
    channels = samples.shape[1]
    if kind == "f32":
        data, width, tag = samples.astype("<f4").tobytes(), 4, 3
    elif kind == "u8":
        data, width, tag = (samples * 127 + 128).astype(np.uint8).tobytes(), 1, 1
    elif kind == "s24":
        whole = (samples * (2**23 - 1)).astype("<i4")
        data, width, tag = whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes(), 3, 1
    else:
        data, width, tag = (samples * 32767).astype("<i2").tobytes(), 2, 1
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, width * 8
    )
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def mp3(seconds: float) -> bytes:
    """An MPEG layer III file of silence at 8 kbit/s: long recordings in few bytes."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=8000)
        stream.bit_rate = 8000
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 80_000), np.int16), "s16p", "mono")
        frame.sample_rate = 8000
        for _ in range(int(seconds / 10)):
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()
