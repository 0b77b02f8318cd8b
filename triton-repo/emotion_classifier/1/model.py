"""Triton's side of the emotion classifier: tensors <-> values. The engine is the service's own."""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from services.emotion.__main__ import EMOTION
from services.emotion.engine import Clip
from services.emotion.settings import EmotionSettings
from services.runtime.errors import InvalidRequest, OrfeonError
from services.runtime.footprint import footprint_of
from services.runtime.registry import Registry
from services.runtime.residency import devices
from services.runtime.residency.placement import does_not_fit, plan
from services.runtime.threads import wait_patiently
from services.runtime.worker import Cancellation


class TritonPythonModel:
    """One instance of the model that `config.pbtxt` names in its parameter `model`.

    Reads the same ORFEON_HOME and ORFEON_EMOTION_* variables as the service.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model. What this raises, Triton reports as the reason that it cannot."""
        wait_patiently()
        name = json.loads(args["model_config"])["parameters"]["model"]["string_value"]
        settings = EmotionSettings()
        registry = Registry(settings.home, [EMOTION.models], EMOTION.name)
        manifest = registry.get(name)
        engine = EMOTION.engines[manifest.engine](settings)
        footprint, room = footprint_of(manifest, engine.kinds), devices.free()
        if (placement := plan(footprint, room)) is None:
            raise does_not_fit(name, footprint, room)
        self._model = engine.load(manifest, registry.folder(manifest), placement)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers every request of a batch; one that fails does not fail the others."""
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        """Gives the memory back."""
        self._model.close()

    def _answer(self, request: Any) -> Any:
        if request.is_cancelled():
            return _failure(
                "CANCELLED", "The request was cancelled.", pb_utils.TritonError.CANCELLED
            )
        rows = pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy()
        try:
            ranked = [self._model.classify(Clip(row), Cancellation()) for row in rows]
        except InvalidRequest as error:
            return _failure(error.reason, error.message, pb_utils.TritonError.INVALID_ARG)
        except OrfeonError as error:
            return _failure(error.reason, error.message, pb_utils.TritonError.INTERNAL)
        labels = np.array([[each.label for each in row] for row in ranked], dtype=np.object_)
        scores = np.array([[each.score for each in row] for row in ranked], dtype=np.float32)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("LABELS", labels), pb_utils.Tensor("SCORES", scores)]
        )


def _failure(reason: str, sentence: str, code: int) -> Any:
    """A failed response. The client reads the class of the error from its first word."""
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{reason}: {sentence}", code))
