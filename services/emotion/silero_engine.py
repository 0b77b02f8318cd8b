"""Silero VAD, version 6: how likely it is that a frame holds a voice, streamed.

The weights come with the package faster_whisper (MIT, https://github.com/snakers4/silero-vad).
"""

from pathlib import Path

import faster_whisper
import numpy as np
import onnxruntime

from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.voice_activity import FRAME, Scores, framed
from services.runtime.audio import Resampler

#: Samples before a frame that the network reads with it.
_CONTEXT = 64
#: Frames computed in one call: what lies between two layers of as many takes 10 MB.
_TOGETHER = 256

#: By how much the second ear hears slower, and so lower.
_SLOWER = 1.5
#: The score of what the second ear alone hears counts less.
_ALONE = 5 / 7


class Silero:
    """The network; may be used by several threads."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        path = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def ear(self) -> "SileroEar":
        """An ear for one stream."""
        return SileroEar(self._session)

    def close(self) -> None:
        """See `LoadedModel`. The network goes with its last ear."""


class SileroEar:
    """Hears a stream twice: as it is, and half as fast again with every pitch a fifth lower.

    The network takes screams of women, whose pitch goes beyond 500 Hz, for none of its voices; it
    knows them when they are lower. What both hear is speech when their mean says so; the second
    alone, which is more easily fooled by dogs, has to be surer. README.md has what was measured.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._plain, self._slow = _Network(session), _Network(session)
        self._slower = Resampler(SAMPLE_RATE, round(SAMPLE_RATE * _SLOWER))
        self._heard = self._heard_slowly = np.zeros(0, np.float32)
        self._at = self._dropped = 0

    def feed(self, samples: Samples) -> Scores:
        """See `Ear`."""
        self._heard = np.concatenate([self._heard, self._plain.feed(samples)])
        slowly = self._slow.feed(self._slower.feed(samples))
        self._heard_slowly = np.concatenate([self._heard_slowly, slowly])
        return self._both()

    def finish(self) -> Scores:
        """See `Ear`."""
        self._heard = np.concatenate([self._heard, self._plain.finish()])
        rest = [self._slow.feed(self._slower.finish()), self._slow.finish()]
        self._heard_slowly = np.concatenate([self._heard_slowly, *rest])
        # Rounding may leave the slower one a frame short.
        last = self._heard_slowly[-1:]
        self._heard_slowly = np.concatenate([self._heard_slowly, last, last])
        return self._both()

    def _both(self) -> Scores:
        # The frame of the second ear that ends last before the end of each frame of the first.
        ends = np.arange(self._at + 1, self._at + 1 + self._heard.size)
        beside = np.floor(ends * _SLOWER).astype(int) - 1 - self._dropped
        ready = int((beside < self._heard_slowly.size).sum())
        plain, slow = self._heard[:ready], self._heard_slowly[beside[:ready]]
        self._heard = self._heard[ready:]
        self._at += ready
        past = max(0, int(np.floor((self._at + 1) * _SLOWER)) - 1 - self._dropped)
        past = min(past, self._heard_slowly.size)
        self._heard_slowly = self._heard_slowly[past:]
        self._dropped += past
        return np.asarray(np.maximum((plain + slow) / 2, slow * _ALONE), np.float32)


class _Network:
    """The network on one stream: what it remembers, and the samples before the next frame."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._short = self._long = np.zeros((1, 1, 128), np.float32)
        self._before = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> Scores:
        ready, self._rest = framed(self._rest, samples, FRAME)
        if ready.size == 0:
            return np.zeros(0, np.float32)
        joined = np.concatenate([self._before, ready])
        self._before = joined[-_CONTEXT:]
        frames = np.lib.stride_tricks.sliding_window_view(joined, _CONTEXT + FRAME)[::FRAME]
        scores = [
            self._scored(frames[at : at + _TOGETHER]) for at in range(0, len(frames), _TOGETHER)
        ]
        return np.concatenate(scores)

    def finish(self) -> Scores:
        return self.feed(np.zeros(-self._rest.size % FRAME, np.float32))

    def _scored(self, frames: Samples) -> Scores:
        inputs = {"input": np.ascontiguousarray(frames), "h": self._short, "c": self._long}
        scores, self._short, self._long = self._session.run(None, inputs)
        return np.asarray(scores, np.float32).reshape(-1)
