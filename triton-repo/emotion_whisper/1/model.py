"""Triton's side of the emotion classifier: tensors <-> values. The engine is the service's own."""

import numpy as np

from services.emotion.__main__ import EMOTION
from services.emotion.engine import Clip, EmotionModel
from services.emotion.settings import EmotionSettings
from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import PythonModel
from services.runtime.worker import Cancellation


class TritonPythonModel(PythonModel[EmotionModel]):
    """A classifier; see `PythonModel`."""

    capability = EMOTION
    settings = EmotionSettings

    def answer(self, tensors: Tensors, cancelled: Cancellation) -> Tensors:
        """The labels, best first, of a clip."""
        ranked = self.model.classify(Clip(tensors["AUDIO"]), cancelled)
        return {
            "LABELS": np.array([each.label for each in ranked], dtype=np.object_),
            "SCORES": np.array([each.score for each in ranked], dtype=np.float32),
        }
