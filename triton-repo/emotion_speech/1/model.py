"""Triton's side of the ear for speech: tensors <-> values. The network is the service's own."""

import numpy as np

from services.emotion.silero_engine import Silero
from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import SequenceAnswer, SequenceModel


class TritonPythonModel(SequenceModel[Silero]):
    """An ear for each stream; see `SequenceModel`."""

    def load(self, args: dict[str, str]) -> Silero:
        """The network comes with a library, so there is no `model.yaml` of it."""
        return Silero()

    def begin(self) -> SequenceAnswer:
        """A new ear."""
        ear = self.model.ear()

        def listen(tensors: Tensors, last: bool) -> Tensors:
            scores = ear.feed(tensors["AUDIO"])
            return {"SCORES": np.concatenate([scores, ear.finish()]) if last else scores}

        return listen
