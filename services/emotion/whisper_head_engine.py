"""A Whisper encoder through CTranslate2, and a head of our own on what it hears."""

from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel, LabelScore, Samples, ranked
from services.emotion.features import pooled, windows
from services.emotion.head import Head
from services.runtime.errors import Cancelled
from services.runtime.footprint import allowed, finds_library
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import Placement
from services.runtime.worker import Cancellation

HEAD = "head.npz"

#: What CTranslate2 computes with on a GPU.
CUBLAS = "libcublas.so.12"


class WhisperEncoder:
    """Turns a window of speech into the vector that a head reads."""

    def __init__(
        self, folder: Path, *, placement: Placement, compute_type: str, threads: int
    ) -> None:
        self._whisper = ctranslate2.models.Whisper(
            str(folder),
            device=placement.kind,
            device_index=placement.index,
            compute_type=compute_type,
            intra_threads=threads,
        )
        self._log_mel = FeatureExtractor(
            feature_size=self._whisper.n_mels, sampling_rate=SAMPLE_RATE
        )

    def features(self, window: Samples) -> NDArray[np.float32]:
        """The vector of one window, shape `(features,)`.

        The window is not padded to the 30 s that Whisper was trained on: that would cost twenty
        times the work, and the features of the silence would drown those of the voice.
        """
        spectrum = np.ascontiguousarray(self._log_mel(window, padding=0), dtype=np.float32)
        view = ctranslate2.StorageView.from_array(spectrum[np.newaxis])
        encoded = np.asarray(self._whisper.encode(view, to_cpu=True))[0]
        return pooled(encoded, spectrum.T)

    def close(self) -> None:
        """Gives the memory back."""
        self._whisper.unload_model()


class WhisperHeadEngine:
    """Loads an encoder and its head. `device` is a setting; `threads` are for one clip."""

    def __init__(self, *, device: str, threads: int) -> None:
        cuda = ctranslate2.get_cuda_device_count() > 0 and finds_library(CUBLAS)
        self.kinds = allowed(device, cuda=cuda)
        self._threads = threads

    def encoder(self, manifest: Manifest, folder: Path, placement: Placement) -> WhisperEncoder:
        """The encoder alone: what training needs, before there is a head."""
        return WhisperEncoder(
            folder,
            placement=placement,
            compute_type=manifest.options.get("compute_type", "default"),
            threads=self._threads,
        )

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> EmotionModel:
        """Reads both. Raises `ValueError` for a head that has other labels than `model.yaml`."""
        head = Head.load(folder / HEAD)
        if head.labels != manifest.labels:
            raise ValueError(f"{manifest.name}: model.yaml and {HEAD} name different labels")
        return WhisperHeadModel(self.encoder(manifest, folder, placement), head)


class WhisperHeadModel:
    """Encoder and head. A long clip is classified in windows, weighted by how much they sound."""

    def __init__(self, encoder: WhisperEncoder, head: Head) -> None:
        self._encoder = encoder
        self._head = head

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`."""
        count = len(self._head.labels)
        total, weights = np.zeros(count, np.float32), 0.0
        for window in windows(clip.samples):
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            scores = self._head.probabilities(self._encoder.features(window.samples))
            total += window.weight * scores
            weights += window.weight
        even = np.full(count, 1 / count, np.float32)
        return ranked(self._head.labels, total / weights if weights else even)

    def close(self) -> None:
        """See `LoadedModel`."""
        self._encoder.close()
