"""An engine whose models are on a Triton server: a lease is a load there, its end an unload."""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Generic

from services.runtime.host import M
from services.runtime.manifest import TRITON_MODEL, Manifest
from services.runtime.reclaim import Elsewhere
from services.runtime.residency.placement import Placement
from services.runtime.settings import TritonSettings
from services.runtime.triton.interface import Interface, Tensors
from services.runtime.triton.server import Call, TritonServer


class TritonEngine(Generic[M]):
    """Has the server of the settings load what `options.triton_model` of a manifest names.

    `interface` tells what the model there must take and give, `make` makes the capability's model,
    a `RemoteModel`, of the manifest and the server.
    """

    def __init__(
        self,
        settings: TritonSettings,
        interface: Callable[[Manifest], Interface],
        make: Callable[[Manifest, TritonServer], M],
    ) -> None:
        self.kinds = frozenset({settings.triton_device})
        self._load_timeout = settings.load_timeout
        self._interface = interface
        self._make = make
        self._server = TritonServer(
            settings.triton_url,
            timeout=settings.triton_timeout,
            patience=settings.triton_patience,
            shared_memory=settings.triton_shared_memory,
        )

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> M:
        """See `Engine`. The server finds files and place itself; neither is used.

        Raises `ServiceUnavailable`, `ModelLoadFailed`, and what `make` raises.
        """
        name = str(manifest.options[TRITON_MODEL])
        self._server.load(name, self._interface(manifest), timeout=self._load_timeout)
        try:
            return self._make(manifest, self._server)
        except Exception:
            self._server.unload(name)
            raise


class RemoteModel(Elsewhere):
    """Base of a capability's models that are on a server."""

    def __init__(self, manifest: Manifest, server: TritonServer) -> None:
        self.manifest = manifest
        self._server = server
        self._name = str(manifest.options[TRITON_MODEL])

    @property
    def parameters(self) -> Mapping[str, str]:
        """See `TritonServer.parameters`."""
        return self._server.parameters(self._name)

    def infer(self, tensors: Tensors, call: Call) -> Tensors:
        """See `TritonServer.infer`."""
        return self._server.infer(self._name, tensors, call)

    def infer_all(self, rows: Sequence[Tensors], call: Call) -> list[Tensors]:
        """See `TritonServer.infer_all`."""
        return self._server.infer_all(self._name, rows, call)

    def stream(self, tensors: Tensors, call: Call) -> Generator[Tensors, None, None]:
        """See `TritonServer.stream`."""
        return self._server.stream(self._name, tensors, call)

    def close(self) -> None:
        """Has the server unload the model. Who still uses it there has it loaded again."""
        self._server.unload(self._name)
