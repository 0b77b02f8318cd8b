"""Which requests are work that somebody waits for, by route, and how each of them ended.

What lists, tells or deletes is counted by its route alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.exchange import Exchange
from gateway.rpc.methods import CONTRACTS
from gateway.settings import Capability
from orfeon.slo.objectives import LEVELS, SHEDDABLE, Outcome
from services.runtime.context import NORMAL
from services.runtime.errors import BY_REASON, Cancelled, Overloaded


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of work of a capability."""

    capability: Capability
    name: str


_ROUTES: Mapping[Operation, tuple[str, ...]] = {
    Operation("chat", "chat"): (
        "/v1/chat/completions",
        "/v1/vision",
        "/v1/responses",
        "/v1/completions",
    ),
    Operation("chat", "embeddings"): ("/v1/embeddings",),
    Operation("lyrics", "lyrics"): ("/v1/lyrics",),
    Operation("speech", "speech"): ("/v1/audio/speech",),
    Operation("speech", "transcription"): (
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/audio/keywords",
    ),
    Operation("emotion", "classification"): ("/v1/audio/classifications",),
    Operation("emotion", "speakers"): ("/v1/audio/diarization", "/v1/audio/embeddings"),
    Operation("melody", "melody"): ("/v1/melodies", "/v1/sound-generation"),
    Operation("images", "images"): (
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/images/variations",
    ),
    Operation("song", "song"): ("/v1/songs", "/v1/jobs/{job_id}/again"),
    Operation("training", "training"): ("/v1/files", "/v1/fine_tuning/jobs"),
}
_METHODS: Mapping[Operation, tuple[str, ...]] = {
    Operation("chat", "chat"): (
        "ChatCompletion",
        "StreamChatCompletion",
        "Completion",
        "StreamCompletion",
    ),
    Operation("chat", "embeddings"): ("Embed",),
    Operation("lyrics", "lyrics"): ("WriteLyrics",),
    Operation("speech", "speech"): ("Synthesize",),
    Operation("speech", "transcription"): ("Transcribe",),
    Operation("emotion", "classification"): ("Classify", "Timeline"),
    Operation("emotion", "speakers"): ("Diarize", "Embed"),
    Operation("emotion", "live"): ("Follow",),
    Operation("melody", "melody"): ("Compose",),
    Operation("images", "images"): ("Generate", "Edit", "Vary"),
    Operation("song", "song"): ("CreateSong", "RepeatSong"),
    Operation("training", "training"): ("UploadFile", "CreateJob"),
}
_LIVE = "/v1/audio/classifications/stream"


def _all() -> Iterator[tuple[tuple[str, str], Operation]]:
    for operation, routes in _ROUTES.items():
        yield from ((("POST", route), operation) for route in routes)
    # A WebSocket begins as a GET.
    yield ("GET", _LIVE), Operation("emotion", "live")
    for operation, methods in _METHODS.items():
        contract = CONTRACTS[operation.capability]
        yield from ((("GRPC", f"/{contract}/{name}"), operation) for name in methods)


#: The operation of each method and route; of gRPC the method is `GRPC`.
OPERATIONS: Mapping[tuple[str, str], Operation] = dict(_all())

_STATUSES = {cls.code or cls.type: cls.http_status for cls in BY_REASON.values()}


def level_of(exchange: Exchange) -> int:
    """The level of a request, as far as it was known when it ended."""
    if exchange.priority is not None:
        return exchange.priority
    wanted = NORMAL if exchange.wanted_priority is None else exchange.wanted_priority
    floor = LEVELS[0] if exchange.key is None else exchange.key.priority_floor
    return max(wanted, floor)


def outcome_of(status: int, error: str, level: int) -> Outcome:
    """How a request ended that was answered with a status, and with an error's code if any.

    An error after the beginning of an answer goes before its status.
    """
    status = _STATUSES.get(error, status)
    if status < 400:
        return "ok"
    if status == Cancelled.http_status:
        return "left"
    if status >= 500:
        return "error"
    if error == Overloaded.code:
        return "shed" if level == SHEDDABLE else "error"
    return "refused"
