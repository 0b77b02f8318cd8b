"""The same classifiers, computed by a Triton server that mounts `triton-repo/`."""

import numpy as np

from services.emotion.engine import Clip, EmotionModel, LabelScore
from services.emotion.settings import EmotionSettings
from services.runtime.triton.interface import Interface, Tensor
from services.runtime.triton.server import Call
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from services.runtime.worker import Cancellation

INTERFACE = Interface(
    inputs=(Tensor("AUDIO", "FP32"),),
    outputs=(Tensor("LABELS", "BYTES"), Tensor("SCORES", "FP32")),
)


def triton(settings: EmotionSettings) -> TritonEngine[EmotionModel]:
    """The engine that these settings ask for."""
    return TritonEngine(settings, lambda _: INTERFACE, RemoteClassifier)


class RemoteClassifier(RemoteModel):
    """A classifier that takes a whole clip, and gives labels with scores."""

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`. Raises also what befalls requests on the server."""
        audio = clip.samples.astype(np.float32, copy=False)
        answer = self.infer({"AUDIO": audio}, Call(clip.priority, clip.timeout, cancelled))
        return [
            LabelScore(label.decode(), float(score))
            for label, score in zip(answer["LABELS"], answer["SCORES"], strict=True)
        ]
