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
    """An MPEG layer III file of silence at 8 kbit/s: long recordings in few bytes.

    One frame of silence is encoded and written again and again.
    """
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=8000)
        stream.bit_rate = 8000
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16p", "mono")
        silence.sample_rate = 8000
        packet = stream.encode(silence)[-1]
        samples = stream.codec_context.frame_size
        for at in range(math.ceil(seconds * 8000 / samples)):
            packet.pts = packet.dts = at * samples
            container.mux(packet)
    return sink.getvalue()
