"""The same classifiers, computed by a Triton server that mounts `triton-repo/`.

Of a classifier of transformers the server has the network alone, as ONNX; what is common to all of
these, windows and their mean, is done here. Other engines answer there as they do here.
"""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel, LabelScore, Samples
from services.emotion.settings import EmotionSettings
from services.emotion.windowed import WindowedModel, temperature, window_seconds
from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest
from services.runtime.triton.interface import Interface, Tensor
from services.runtime.triton.server import Call, TritonServer
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from services.runtime.worker import Cancellation

#: The engine whose models `orfeon models export` makes networks of.
NETWORKS = "wav2vec2"

#: Clips are filled up to a multiple of so many samples, so that more of them are equally long and
#: share a batch.
STEP = SAMPLE_RATE


def triton(settings: EmotionSettings) -> TritonEngine[EmotionModel]:
    """The engine that these settings ask for."""
    return TritonEngine(settings, interface, remote)


def interface(manifest: Manifest) -> Interface:
    """What the server's model takes and gives."""
    if manifest.engine == NETWORKS:
        return Interface(
            inputs=(Tensor("AUDIO", "FP32"), Tensor("LENGTH", "INT64", (1,))),
            outputs=(Tensor("LOGITS", "FP32", (len(manifest.labels),)),),
        )
    return Interface(
        inputs=(Tensor("AUDIO", "FP32"),),
        outputs=(Tensor("LABELS", "BYTES"), Tensor("SCORES", "FP32")),
    )


def remote(manifest: Manifest, server: TritonServer) -> EmotionModel:
    """The model of a manifest that the server has loaded."""
    if manifest.engine == NETWORKS:
        return RemoteNetwork(manifest, server)
    return RemoteClassifier(manifest, server)


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


class RemoteNetwork(RemoteModel, WindowedModel):
    """A network that gives the logits of a window.

    Raises `ModelLoadFailed` where it tells other labels than `model.yaml`, `ValueError` for options
    out of range.
    """

    def __init__(self, manifest: Manifest, server: TritonServer) -> None:
        RemoteModel.__init__(self, manifest, server)
        labels = json.loads(self.parameters.get("labels", "[]"))
        if sorted(labels) != sorted(manifest.labels):
            raise ModelLoadFailed(
                f"The model {manifest.name!r} of the Triton server tells {', '.join(labels)}, its "
                f"model.yaml names {', '.join(manifest.labels)}; export it again.",
                param="model",
            )
        WindowedModel.__init__(
            self,
            labels,
            window_seconds=window_seconds(manifest),
            temperature=temperature(manifest),
        )
        # One that has no mask hears zeros where another has nothing: it is given none, and equally
        # long clips alone share a batch.
        self._fills = self.parameters.get("masks") == "true"

    def network_logits(
        self, windows: Sequence[Samples], clip: Clip, cancelled: Cancellation
    ) -> NDArray[np.float32]:
        """See `WindowedModel`. Raises also what befalls requests on the server."""
        rows = [self._row(window) for window in windows]
        answers = self.infer_all(rows, Call(clip.priority, clip.timeout, cancelled))
        return np.array([answer["LOGITS"] for answer in answers], np.float32)

    def _row(self, window: Samples) -> dict[str, NDArray[np.generic]]:
        audio = window.astype(np.float32, copy=False)
        if self._fills:
            audio = np.pad(audio, (0, -audio.size % STEP))
        return {"AUDIO": audio, "LENGTH": np.array([window.size], np.int64)}
