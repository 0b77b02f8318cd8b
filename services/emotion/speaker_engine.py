"""Speaker encoders as ONNX: a window of speech becomes a vector that is close to its speaker's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from services.emotion.engine import Samples
from services.emotion.voiceprint import Floats, spectrum
from services.runtime.errors import Cancelled, ModelLoadFailed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation

ENCODER = "encoder.onnx"
#: Windows computed together.
_BATCH = 8


class SpeakerEngine:
    """Loads encoders that read mel spectrograms, `services/emotion/voiceprint.py`."""

    kinds = frozenset({CPU})

    def __init__(self, *, threads: int) -> None:
        self._threads = threads

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "SpeakerEncoder":
        """See `Engine`. Raises `ModelLoadFailed` for a file that is no network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        try:
            session = onnxruntime.InferenceSession(
                str(folder / ENCODER), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # Its classes are not public.
            raise ModelLoadFailed(
                f"The file {ENCODER} of '{manifest.name}' cannot be read; pull or export it again.",
                param="model",
            ) from error
        return SpeakerEncoder(session)


class SpeakerEncoder:
    """An encoder in memory."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session: onnxruntime.InferenceSession | None = session

    def embed(self, windows: Sequence[Samples], cancelled: Cancellation) -> Floats:
        """See `SpeakerModel`."""
        assert self._session is not None, "used after close"
        vectors = [np.zeros((0, 256), np.float32)]
        for at in range(0, len(windows), _BATCH):
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            spectra = np.stack([spectrum(window) for window in windows[at : at + _BATCH]])
            vectors.append(self._session.run(None, {"spectra": spectra})[0])
        return np.concatenate(vectors)

    def close(self) -> None:
        """See `LoadedModel`."""
        self._session = None
