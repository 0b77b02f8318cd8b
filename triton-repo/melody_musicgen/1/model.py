"""Triton's side of MusicGen: tensors <-> values. The engine is the service's own."""

from collections.abc import Iterator

from services.melody.__main__ import MELODY
from services.melody.engine import Musician
from services.melody.settings import MelodySettings
from services.melody.triton_wire import piece_tensors, request_of_tensors
from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import StreamingModel
from services.runtime.worker import Cancellation


class TritonPythonModel(StreamingModel[Musician]):
    """A musician; see `StreamingModel`."""

    capability = MELODY
    settings = MelodySettings

    def answers(self, tensors: Tensors, cancelled: Cancellation) -> Iterator[Tensors]:
        """The piece: what is known of it, how far it is, its sound."""
        request = request_of_tensors(tensors, self.manifest)
        for piece in self.model.compose(request, cancelled):
            yield piece_tensors(piece)
