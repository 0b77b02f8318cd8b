"""Speech at another pace, its pitch kept."""

import av
import numpy as np
from av.filter import Graph

from services.runtime.audio import Samples

#: Above this one filter leaves samples out; two in a row overlap them smoothly. Below its inverse
#: one does not go.
_SMOOTH = 2.0


class Tempo:
    """Brings a stream of mono samples at `rate` to `speed` times its pace, part by part.

    `speed` is 0.25 to 4.
    """

    def __init__(self, rate: int, speed: float) -> None:
        self._rate = rate
        # The filter gives back as much as it was given at once: small frames keep it flowing.
        self._step = rate // 20
        self._position = 0
        first = min(max(speed, 1 / _SMOOTH), _SMOOTH)
        speeds = [speed] if first == speed else [first, speed / first]
        graph = Graph()
        source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono")
        steps = [graph.add("atempo", f"{step:.6f}") for step in speeds]
        graph.link_nodes(source, *steps, graph.add("abuffersink")).configure()
        self._graph = graph

    def feed(self, samples: Samples) -> Samples:
        """What can be said of the next samples. About a tenth of a second stays inside."""
        parts: list[Samples] = []
        for start in range(0, samples.size, self._step):
            row = np.ascontiguousarray(samples[None, start : start + self._step], np.float32)
            frame = av.AudioFrame.from_ndarray(row, format="flt", layout="mono")
            frame.sample_rate = self._rate
            frame.pts = self._position
            self._position += row.size
            self._graph.push(frame)
            parts.append(self._pulled())
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def finish(self) -> Samples:
        """The rest. Nothing may be fed afterwards."""
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Samples:
        parts: list[Samples] = []
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            assert isinstance(frame, av.AudioFrame)
            parts.append(np.asarray(frame.to_ndarray(), np.float32).reshape(-1))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
