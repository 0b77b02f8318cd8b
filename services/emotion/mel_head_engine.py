"""The fast fallback: a head on the timbre and the melody of a voice, without an encoder."""

from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, EmotionModel, Samples
from services.emotion.head import Head
from services.emotion.head_model import HEAD, HeadModel
from services.emotion.prosody import prosody, timbre
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import Placement


class MelEncoder:
    """Turns a window of speech into the vector that a head reads: 177 numbers, in NumPy alone."""

    reads = "timbre:140 prosody:37"

    def __init__(self) -> None:
        self._log_mel = FeatureExtractor(sampling_rate=SAMPLE_RATE)

    def features(self, window: Samples) -> NDArray[np.float32]:
        """See `Encoder`."""
        spectrum = np.asarray(self._log_mel(window, padding=0), np.float32).T
        return np.concatenate([timbre(spectrum), prosody(window)])


class MelHeadEngine:
    """Loads heads. It computes on the processor, and on one core: a clip takes milliseconds."""

    def __init__(self) -> None:
        self.kinds = allowed("cpu", cuda=False)

    def encoder(self, _folder: Path, _placement: Placement) -> MelEncoder:
        """What training needs, before there is a head."""
        return MelEncoder()

    def load(self, manifest: Manifest, folder: Path, _placement: Placement) -> EmotionModel:
        """Reads a head.

        Raises `ValueError` for a file that is broken, and for a head that has other labels than
        `model.yaml`, or was trained on something else.
        """
        head = Head.load(folder / HEAD)
        encoder = MelEncoder()
        return HeadModel(encoder, head.fit_for(manifest.name, manifest.labels, encoder.reads))
