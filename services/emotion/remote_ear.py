"""An ear that a Triton server lends: Silero's network there, for one live stream at a time."""

import secrets
from collections.abc import Callable

import numpy as np

from services.emotion.engine import Samples
from services.emotion.settings import EmotionSettings
from services.emotion.voice_activity import Scores
from services.runtime.triton.interface import Interface, Tensor
from services.runtime.triton.server import Call, Part, TritonServer


class RemoteEar:
    """An ear on the server, for one stream. Raises what befalls requests there; a server that has
    been away has forgotten the stream, which then ends with `ServiceUnavailable`.
    """

    _MODEL = "emotion_speech"
    _INTERFACE = Interface(inputs=(Tensor("AUDIO", "FP32"),), outputs=(Tensor("SCORES", "FP32"),))

    def __init__(self, server: TritonServer, load_timeout: float) -> None:
        self._server = server
        self._load_timeout = load_timeout
        self._number = 0

    def feed(self, samples: Samples) -> Scores:
        """See `Ear`."""
        return self._step(samples, last=False)

    def finish(self) -> Scores:
        """See `Ear`."""
        return self._step(np.zeros(0, np.float32), last=True)

    def _step(self, samples: Samples, *, last: bool) -> Scores:
        first = not self._number
        if first:
            self._server.load(self._MODEL, self._INTERFACE, timeout=self._load_timeout)
            # Streams of many services meet there.
            self._number = secrets.randbits(63) or 1
        audio = samples.astype(np.float32, copy=False)
        part = Part(self._number, first, last)
        return np.asarray(
            self._server.step(self._MODEL, {"AUDIO": audio}, Call(), part)["SCORES"], np.float32
        )


def remote_ear(settings: EmotionSettings) -> Callable[[], RemoteEar]:
    """Makes ears of one connection."""
    server = TritonServer(
        settings.triton_url, timeout=settings.triton_timeout, patience=settings.triton_patience
    )
    return lambda: RemoteEar(server, settings.load_timeout)
