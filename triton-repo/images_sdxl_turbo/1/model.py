"""Triton's side of SDXL-Turbo: tensors <-> values. The engine is the service's own."""

from collections.abc import Iterator

from services.images.__main__ import IMAGES
from services.images.engine import Painter
from services.images.settings import ImagesSettings
from services.images.triton_wire import piece_tensors, request_of_tensors
from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import StreamingModel
from services.runtime.worker import Cancellation


class TritonPythonModel(StreamingModel[Painter]):
    """A painter; see `StreamingModel`."""

    capability = IMAGES
    settings = ImagesSettings

    def answers(self, tensors: Tensors, cancelled: Cancellation) -> Iterator[Tensors]:
        """The images: their steps, how they look on the way, and how they are."""
        request = request_of_tensors(tensors, self.manifest, ImagesSettings().max_side)
        for piece in self.model.paint(request, cancelled):
            yield piece_tensors(piece)
