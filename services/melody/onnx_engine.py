"""The composer's network on ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray


class OnnxNetwork:
    """A network that reads tokens; see `Network` of `text`.

    One thread, always: steps are too small to share out, and sums are then added up in the same
    order on every machine, so that a seed gives its piece again.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        caches = self._session.get_inputs()[1:]
        self._names = [cache.name for cache in caches]
        (_, heads, _, head) = caches[0].shape
        self._empty = np.zeros((2, heads, 0, head), np.float32)

    def begin(self) -> "OnnxReading":
        """A text of which nothing has been read."""
        return OnnxReading(self._session, self._names, self._empty)


class OnnxReading:
    """A text and what the network keeps of it."""

    def __init__(self, session: Any, names: list[str], empty: NDArray[np.float32]) -> None:
        self._session, self._names = session, names
        self._caches: list[Any] = [empty] * len(names)

    def read(self, tokens: list[int]) -> NDArray[np.float32]:
        """Reads on; gives the logits of what follows, shape `(tokens of the vocabulary,)`."""
        inputs = dict(zip(self._names, self._caches, strict=True))
        logits, *self._caches = self._session.run(
            None, {"tokens": np.array(tokens, np.int64), **inputs}
        )
        return np.asarray(logits)
