"""The same models, computed by a Triton server that mounts `triton-repo/`."""

import queue
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from services.emotion.diarization import AudioModel
from services.emotion.engine import Clip, LabelScore
from services.runtime.errors import (
    BY_REASON,
    Cancelled,
    DeadlineExceeded,
    Internal,
    ModelLoading,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from services.runtime.host import Engine
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import Placement
from services.runtime.worker import Cancellation

#: How often a waiting thread asks whether its caller has left, seconds.
_ASK = 0.05


class TritonEngine:
    """Has the server at `url` load models. `timeout` bounds, in seconds, loading and answering.

    Models that name no `options.triton_model` are loaded here, by their own engine among `here`.
    """

    #: None of our devices: the server has its own.
    kinds: frozenset[str] = frozenset()

    def __init__(
        self, url: str, *, timeout: float, here: Mapping[str, Callable[[], Engine[AudioModel]]]
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._here = here

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> AudioModel:
        """Loads the model there, by the name in `options.triton_model`; the rest is not used.

        Raises `ServiceUnavailable`.
        """
        name = manifest.options.get("triton_model")
        if name is None:
            return self._here[manifest.engine]().load(manifest, folder, placement)
        client = InferenceServerClient(self._url)
        model = TritonModel(client, str(name), self._timeout)
        try:
            model.load()
        except BaseException:
            client.close()
            raise
        return model


class TritonModel:
    """A model of the server, and the connection to it."""

    def __init__(self, client: InferenceServerClient, name: str, timeout: float) -> None:
        self._client = client
        self._name = name
        self._timeout = timeout

    def load(self) -> None:
        """Has the server load the model, unless it has. Raises `ServiceUnavailable`."""
        try:
            if not self._client.is_model_ready(self._name, client_timeout=self._timeout):
                self._client.load_model(self._name, client_timeout=self._timeout)
        except InferenceServerException as error:
            raise ServiceUnavailable(
                f"The Triton server cannot load {self._name}; look into its log.", retry_after=5.0
            ) from error

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`. Raises also what befalls requests on the server."""
        try:
            return self._classify(clip, cancelled)
        except ModelLoading:
            # Another container that shares the server has unloaded the model.
            self.load()
            return self._classify(clip, cancelled)

    def close(self) -> None:
        """Has the server unload the model. Who still uses it there has it loaded again."""
        try:
            self._client.unload_model(self._name, client_timeout=self._timeout)
        except InferenceServerException as error:
            raise error_of(error) from error
        finally:
            self._client.close()

    def _classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        audio = InferInput("AUDIO", [1, clip.samples.size], "FP32")
        audio.set_data_from_numpy(clip.samples[np.newaxis].astype(np.float32, copy=False))
        timeout = self._timeout if clip.timeout is None else clip.timeout
        answers: queue.SimpleQueue[tuple[Any, InferenceServerException | None]]
        answers = queue.SimpleQueue()
        call = self._client.async_infer(
            self._name,
            [audio],
            lambda result, error: answers.put((result, error)),
            priority=clip.priority + 1,  # Triton's levels begin at 1; its 0 means the default.
            timeout=int(timeout * 1e6),
            client_timeout=timeout,
        )
        while True:
            try:
                result, error = answers.get(timeout=_ASK)
                break
            except queue.Empty:
                if cancelled.is_set:
                    call.cancel()
                    raise Cancelled("The request was cancelled.") from None
        if error is not None:
            raise error_of(error) from error
        labels, scores = result.as_numpy("LABELS")[0], result.as_numpy("SCORES")[0]
        return [
            LabelScore(label.decode(), float(score))
            for label, score in zip(labels, scores, strict=True)
        ]


def error_of(failure: InferenceServerException) -> OrfeonError:
    """What a failed call stands for: a class of ours that the model named, or Triton's own."""
    message, status = str(failure.message()), str(failure.status())
    reason, _, sentence = message.partition(": ")
    if reason in BY_REASON:
        return BY_REASON[reason](sentence)
    for part, cls, said in _FAILURES:
        if part in message or part in status:
            return cls(said, retry_after=1.0 if cls.retryable else None)
    return Internal("The Triton server failed to answer. The failure has been logged.")


#: Triton has few status codes and says the rest in words. The first part that is found decides.
_FAILURES: list[tuple[str, type[OrfeonError], str]] = [
    (
        "maximum queue size",
        Overloaded,
        "Too many requests are waiting at the Triton server; try again shortly.",
    ),
    (
        "timeout expired",
        DeadlineExceeded,
        "The request waited too long at the Triton server; allow more time.",
    ),
    (
        "DEADLINE_EXCEEDED",
        DeadlineExceeded,
        "The Triton server did not answer in the time allowed; allow more time.",
    ),
    ("unknown model", ModelLoading, "The Triton server is loading the model; try again shortly."),
    ("not at ready state", ModelLoading, "The model is not ready yet; try again shortly."),
    ("UNAVAILABLE", ServiceUnavailable, "The Triton server is down or restarting; try again."),
    ("CANCELLED", Cancelled, "The request was cancelled."),
]
