"""What a failed call to the server stands for, among our errors."""

import re

import grpc
from tritonclient.utils import InferenceServerException

from services.runtime.errors import (
    BY_REASON,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    ModelLoadFailed,
    ModelLoading,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)

#: How an error of ours travels inside a message of Triton's: see `sent`.
_OURS = re.compile(r"\[([A-Z_]+)\] ([^\n]*)")

#: What is said where the server takes too long.
SLOW = "The Triton server did not answer in the time allowed; allow more time."

_REFUSED = "The Triton server's model does not take what it was given."
_DOWN = "The Triton server is down or restarting; try again."

#: What Triton says of a Python model whose process has died.
_DEAD = "Stub process"

#: Triton has few status codes and says the rest in words. The first that is found decides, in the
#: message; after that the code.
_WORDS: list[tuple[str, type[OrfeonError], str]] = [
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
    ("unknown model", ModelLoading, "The Triton server is loading the model; try again shortly."),
    ("not at ready state", ModelLoading, "The model is not ready yet; try again shortly."),
    ("unexpected shape for input", InvalidRequest, _REFUSED),
    ("unexpected inference input", InvalidRequest, _REFUSED),
    ("data-type is", InvalidRequest, _REFUSED),
    ("inputs but got", InvalidRequest, _REFUSED),
    # A server that has died since the memory was lent to it.
    ("Unable to find shared memory region", ServiceUnavailable, _DOWN),
    (_DEAD, ServiceUnavailable, "The model has died at the Triton server; try again."),
]
_CODES: list[tuple[str, type[OrfeonError], str]] = [
    ("DEADLINE_EXCEEDED", DeadlineExceeded, SLOW),
    ("RESOURCE_EXHAUSTED", Overloaded, "The request is too large for the Triton server."),
    ("UNAVAILABLE", ServiceUnavailable, _DOWN),
    # So a server that stops ends the calls that still come.
    ("CANCELLED", ServiceUnavailable, _DOWN),
]
_UNKNOWN: tuple[str, type[OrfeonError], str] = (
    "",
    Internal,
    "The Triton server failed to answer; its log says why.",
)


def sent(error: OrfeonError) -> str:
    """An error as a message that Triton passes on; `error_of` reads it."""
    return f"[{error.reason}] {error.message}"


def exception_of(failure: grpc.aio.AioRpcError) -> InferenceServerException:
    """A failed stream, as a failed call is told."""
    return InferenceServerException(failure.details() or "", str(failure.code()))


def unsent(*, late: bool) -> InferenceServerException:
    """A call that gRPC's asyncio has cancelled by itself, as its request was sent: the time was
    over, or the server gone.
    """
    code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.UNAVAILABLE
    return InferenceServerException("", str(code))


def error_of(failure: InferenceServerException) -> OrfeonError:
    """The error of ours that the model raised, or what Triton's own means."""
    message, status = str(failure.message()), str(failure.status())
    if (ours := _ours(message)) is not None:
        return ours
    words = [found for found in _WORDS if found[0] in message]
    codes = [found for found in _CODES if found[0] in status]
    _, cls, said = next(iter([*words, *codes, _UNKNOWN]))
    return cls(said, retry_after=1.0 if cls.retryable else None)


def has_died(failure: InferenceServerException) -> bool:
    """Whether the process of a Python model has died. Triton starts no other by itself."""
    return _DEAD in str(failure.message())


def is_away(failure: InferenceServerException) -> bool:
    """Whether there is no server, or one that stops."""
    return any(code in str(failure.status()) for code in ("UNAVAILABLE", "CANCELLED"))


def is_late(failure: InferenceServerException) -> bool:
    """Whether we no longer waited for the server, which may go on."""
    return "DEADLINE_EXCEEDED" in str(failure.status())


def load_error_of(failure: InferenceServerException, name: str) -> OrfeonError:
    """Why a model could not be loaded."""
    message = str(failure.message())
    if (ours := _ours(message)) is not None:
        return ours
    if is_away(failure):
        return ServiceUnavailable(_DOWN, retry_after=1.0)
    if "failed to poll from model repository" in message:
        said = f"The Triton server has no model {name!r} in its repository, or its config.pbtxt is"
        return ModelLoadFailed(f"{said} wrong; put it right there.", retry_after=5.0)
    if is_late(failure):
        said = f"The Triton server did not load {name!r} in time; allow more by LOAD_TIMEOUT."
        return ModelLoadFailed(said, retry_after=5.0)
    said = f"The Triton server cannot load {name!r}; its log says why."
    return ModelLoadFailed(said, retry_after=5.0)


def _ours(message: str) -> OrfeonError | None:
    if (found := _OURS.search(message)) is None or found[1] not in BY_REASON:
        return None
    cls = BY_REASON[found[1]]
    return cls(found[2], retry_after=1.0 if cls.retryable else None)
