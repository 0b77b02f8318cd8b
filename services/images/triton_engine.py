"""Painters that a Triton server has."""

from collections.abc import Iterator

from services.images.engine import ImageRequest, Painter, Piece
from services.images.settings import ImagesSettings
from services.images.triton_wire import INTERFACE, piece_of_tensors, request_tensors
from services.runtime.triton.server import Call
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from services.runtime.worker import Cancellation


def triton(settings: ImagesSettings) -> TritonEngine[Painter]:
    """The engine that these settings ask for."""
    return TritonEngine(settings, lambda _: INTERFACE, RemotePainter)


class RemotePainter(RemoteModel):
    """A painter of the server, which paints with the engine that its `model.yaml` names."""

    def paint(self, request: ImageRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Painter`. Raises also what befalls requests on the server, and `Cancelled`."""
        call = Call(request.priority, request.timeout, cancelled)
        for tensors in self.stream(request_tensors(request), call):
            yield piece_of_tensors(tensors)
