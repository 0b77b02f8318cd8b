"""Musicians that make sound from a description, computed by a Triton server."""

from collections.abc import Iterator

from services.melody.engine import Genre, MelodyRequest, Musician, Piece
from services.melody.requests import genres_of
from services.melody.settings import MelodySettings
from services.melody.triton_wire import INTERFACE, piece_of_tensors, request_tensors
from services.runtime.manifest import Manifest
from services.runtime.triton.server import Call, TritonServer
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from services.runtime.worker import Cancellation


def triton(settings: MelodySettings) -> TritonEngine[Musician]:
    """The engine that these settings ask for."""
    return TritonEngine(settings, lambda _: INTERFACE, RemoteMusician)


class RemoteMusician(RemoteModel):
    """A musician of the server, which composes with the engine that its `model.yaml` names."""

    def __init__(self, manifest: Manifest, server: TritonServer) -> None:
        super().__init__(manifest, server)
        self.genres: tuple[Genre, ...] = genres_of(manifest)

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Musician`. Raises also what befalls requests on the server, and `Cancelled`."""
        call = Call(request.priority, request.timeout, cancelled)
        for tensors in self.stream(request_tensors(request), call):
            yield piece_of_tensors(tensors)
