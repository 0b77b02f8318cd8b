"""What the Python models of `triton-repo/` are made of: the capability's own engine, and tensors.

Runs in Triton's Python backend, which alone has `triton_python_backend_utils`. A `1/model.py` there
names its capability and says how tensors become a request, and what comes of it tensors.
"""

import json
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic

import numpy as np

from services.runtime.errors import (
    Cancelled,
    Internal,
    InvalidRequest,
    ModelLoadFailed,
    OrfeonError,
    OutOfMemory,
)
from services.runtime.footprint import footprint_of
from services.runtime.host import M
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, CUDA, Placement
from services.runtime.server import Capability
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import configure_logging
from services.runtime.threads import wait_patiently
from services.runtime.triton.failures import sent
from services.runtime.triton.interface import Tensors
from services.runtime.worker import Cancellation

log = logging.getLogger(__name__)


class _Instance(Generic[M]):
    """One instance of the model that `config.pbtxt` names in its parameter `model`.

    Reads the same ORFEON_HOME and ORFEON_<CAPABILITY>_* variables as the service.
    """

    capability: ClassVar[Capability[Any, Any]]
    settings: ClassVar[type[ServiceSettings]]

    model: M
    manifest: Manifest

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model. What this raises, Triton reports as the reason that it cannot."""
        import triton_python_backend_utils as pb_utils

        wait_patiently()
        self._pb = pb_utils
        try:
            self.model = self.load(args)
        except (OrfeonError, MemoryError) as error:
            raise pb_utils.TritonModelException(sent(_ours(error))) from error

    def finalize(self) -> None:
        """Gives the memory back."""
        self.model.close()

    def load(self, args: dict[str, str]) -> M:
        """The model that `config.pbtxt` names."""
        name = json.loads(args["model_config"])["parameters"]["model"]["string_value"]
        settings = self.settings()
        configure_logging(settings.log_level)
        registry = Registry(
            settings.home,
            [self.capability.models],
            self.capability.name,
            engines=self.capability.engines,
            shared=settings.shared_models,
        )
        self.manifest = registry.get(name)
        engine = self.capability.engines[self.manifest.engine](settings)
        placement = _placement(args, self.manifest, engine.kinds)
        model: M = engine.load(
            registry.usable(self.manifest), registry.folder(self.manifest), placement
        )
        return model

    def _response(self, batch: Tensors) -> Any:
        tensors = [self._pb.Tensor(name, array) for name, array in batch.items()]
        return self._pb.InferenceResponse(tensors)

    def _failure(self, raised: Exception) -> Any:
        error = _ours(raised)
        codes = self._pb.TritonError
        code = codes.INTERNAL
        if isinstance(error, InvalidRequest):
            code = codes.INVALID_ARG
        elif isinstance(error, Cancelled):
            code = codes.CANCELLED
        return self._pb.InferenceResponse(error=codes(sent(error), code))


class PythonModel(_Instance[M]):
    """A model that answers a request once."""

    @abstractmethod
    def answer(self, tensors: Tensors, cancelled: Cancellation) -> Tensors:
        """What the model says of one row of a request: tensors without the batch's dimension."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers every request of a batch; one that fails does not fail the others."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        cancelled = Polled(request.is_cancelled)
        try:
            rows = [self.answer(row, cancelled) for row in _rows(request)]
        except Exception as error:
            return self._failure(error)
        return self._response({name: np.stack([row[name] for row in rows]) for name in rows[0]})


class StreamingModel(_Instance[M]):
    """A decoupled model: one row a request, and as many answers as there are."""

    @abstractmethod
    def answers(self, tensors: Tensors, cancelled: Cancellation) -> Iterator[Tensors]:
        """What the model says, one by one: tensors without the batch's dimension.

        Ends early, or raises `Cancelled`, once `cancelled`.
        """

    def execute(self, requests: list[Any]) -> None:
        """Answers one request after the other."""
        for request in requests:
            self._send(request)

    def _send(self, request: Any) -> None:
        sender = request.get_response_sender()
        cancelled = Polled(sender.is_cancelled)
        try:
            [row] = _rows(request)
            for tensors in self.answers(row, cancelled):
                if cancelled.is_set:
                    break
                sender.send(
                    self._response({name: array[np.newaxis] for name, array in tensors.items()})
                )
        except Exception as error:
            sender.send(self._failure(error))
        finally:
            sender.send(flags=self._pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class SequenceModel(_Instance[M]):
    """A model that remembers: it answers the parts of a sequence, which Triton brings to one
    instance in their order. Its configuration has the controls START, END and CORRID.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """See `_Instance`."""
        batching = json.loads(args["model_config"])["sequence_batching"]
        self._idle = int(batching["max_sequence_idle_microseconds"]) / 1e6
        self._sequences: dict[int, tuple[float, SequenceAnswer]] = {}
        super().initialize(args)

    @abstractmethod
    def begin(self) -> "SequenceAnswer":
        """What answers the parts of a new sequence, and is told which is the last."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers the next part of each of several sequences."""
        return [self._step(request) for request in requests]

    def _step(self, request: Any) -> Any:
        [row] = _rows(request)
        tensors = dict(row)
        first, last, number = (int(tensors.pop(name)[0]) for name in ("START", "END", "CORRID"))
        now = time.monotonic()
        if first:
            self._forget(before=now - self._idle)
            self._sequences[number] = (now, self.begin())
        try:
            _, answer = self._sequences.pop(number)
            told = answer(tensors, bool(last))
        except Exception as error:
            return self._failure(error)
        if not last:
            self._sequences[number] = (now, answer)
        return self._response({name: array[np.newaxis] for name, array in told.items()})

    def _forget(self, *, before: float) -> None:
        """Triton does not tell which sequences it has given up, but when it does so."""
        for number in [each for each, (at, _) in self._sequences.items() if at < before]:
            del self._sequences[number]


#: Answers the next part of a sequence: its tensors, and whether it is the last.
SequenceAnswer = Callable[[Tensors, bool], Tensors]


class Polled(Cancellation):
    """A cancellation that Triton knows of."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], bool]) -> None:
        super().__init__()
        self._ask = ask

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        if not super().is_set and self._ask():
            self.set()
        return super().is_set


def _ours(raised: Exception) -> OrfeonError:
    """What is told of an exception. One that is none of ours might tell what the request held."""
    if isinstance(raised, OrfeonError):
        return raised
    if isinstance(raised, MemoryError):
        return OutOfMemory(
            "The Triton server had not enough memory for the model; free some, or ask for less.",
            retry_after=5.0,
        )
    log.error("model failed", exc_info=raised)
    return Internal("The model failed to answer. The failure has been logged.")


def _rows(request: Any) -> Iterator[Tensors]:
    """The rows of a request's tensors."""
    arrays = {each.name(): each.as_numpy() for each in request.inputs()}
    for at in range(len(next(iter(arrays.values())))):
        yield {name: array[at] for name, array in arrays.items()}


def _placement(args: dict[str, str], manifest: Manifest, kinds: frozenset[str]) -> Placement:
    """Where `instance_group` of the configuration puts the instance."""
    footprint = footprint_of(manifest, kinds)
    device, gpu_layers = CPU, 0
    if args["model_instance_kind"] == "GPU":
        device, gpu_layers = f"{CUDA}:{args['model_instance_device_id']}", -1
    if device.partition(":")[0] not in footprint.kinds:
        raise ModelLoadFailed(
            f"The model {manifest.name!r} cannot be on {device}; change instance_group in its "
            "config.pbtxt."
        )
    return Placement(((device, footprint.bytes),), gpu_layers)
