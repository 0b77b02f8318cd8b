"""The arbiter's messages and what they mean here. Times are of the local monotonic clock.

On the wire they are ages and waits, so that no two clocks need agree; `now` is the local time at
which a message is made or read.
"""

import math

from orfeon.api.arbiter.v1 import arbiter_pb2
from services.runtime.errors import BY_REASON, Internal, OrfeonError
from services.runtime.process import Process
from services.runtime.residency.memory import Claim, Use
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency

#: How often a client asks whether the connection still is one; a network may lose it silently.
PING_SECONDS = 5


def write_process(process: Process) -> arbiter_pb2.Process:
    """As a message."""
    return arbiter_pb2.Process(
        pid=process.pid, pid_namespace=process.namespace, started=process.started
    )


def read_process(message: arbiter_pb2.Process) -> Process:
    """From a message."""
    return Process(message.pid, message.pid_namespace, message.started)


def write_urgency(urgency: Urgency, now: float) -> arbiter_pb2.Urgency:
    """As a message."""
    message = arbiter_pb2.Urgency(level=urgency.level, waited_seconds=now - urgency.since)
    if math.isfinite(urgency.due):
        message.due_in_seconds = urgency.due - now
    return message


def read_urgency(message: arbiter_pb2.Urgency, now: float) -> Urgency:
    """From a message."""
    due = now + message.due_in_seconds if message.HasField("due_in_seconds") else math.inf
    return Urgency(message.level, now - message.waited_seconds, due)


def write_use(use: Use, now: float) -> arbiter_pb2.Use:
    """As a message."""
    message = arbiter_pb2.Use(
        loaded=use.loaded, reload_seconds=use.reload_seconds, pinned=use.pinned
    )
    if use.idle_since is not None:
        message.idle_seconds = now - use.idle_since
    return message


def read_use(message: arbiter_pb2.Use, now: float) -> Use:
    """From a message."""
    idle_since = now - message.idle_seconds if message.HasField("idle_seconds") else None
    return Use(message.loaded, idle_since, message.reload_seconds, message.pinned)


def write_placement(placement: Placement) -> arbiter_pb2.Placement:
    """As a message."""
    parts = [arbiter_pb2.Part(device=device, bytes=size) for device, size in placement.parts]
    return arbiter_pb2.Placement(parts=parts, gpu_layers=placement.gpu_layers)


def read_placement(message: arbiter_pb2.Placement) -> Placement:
    """From a message."""
    return Placement(tuple((part.device, part.bytes) for part in message.parts), message.gpu_layers)


def write_claim(claim: Claim, now: float) -> arbiter_pb2.Claim:
    """As a message."""
    footprint = claim.footprint
    return arbiter_pb2.Claim(
        id=claim.id,
        model=claim.model,
        footprint=arbiter_pb2.Footprint(
            bytes=footprint.bytes,
            layers=footprint.layers,
            layer_bytes=footprint.layer_bytes,
            kinds=sorted(footprint.kinds),
        ),
        urgency=write_urgency(claim.urgency, now),
        evict=claim.evict,
    )


def read_claim(message: arbiter_pb2.Claim, now: float) -> Claim:
    """From a message."""
    footprint = Footprint(
        message.footprint.bytes,
        message.footprint.layers,
        message.footprint.layer_bytes,
        frozenset(message.footprint.kinds),
    )
    urgency = read_urgency(message.urgency, now)
    return Claim(message.id, message.model, footprint, urgency, message.evict)


def write_refusal(claim_id: int, error: OrfeonError) -> arbiter_pb2.Refused:
    """As a message."""
    return arbiter_pb2.Refused(
        id=claim_id,
        message=error.message,
        reason=error.reason,
        param=error.param,
        retry_after_seconds=error.retry_after,
    )


def read_refusal(message: arbiter_pb2.Refused) -> OrfeonError:
    """From a message; of a reason that we do not know, `Internal`."""
    cls = BY_REASON.get(message.reason, Internal)
    return cls(
        message.message,
        param=message.param if message.HasField("param") else None,
        retry_after=message.retry_after_seconds
        if message.HasField("retry_after_seconds")
        else None,
    )
