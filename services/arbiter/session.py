"""One client's stream, without the stream: requests come in, responses lie in the outbox."""

import asyncio
from collections.abc import Callable

from orfeon.api.arbiter.v1.arbiter_pb2 import (
    Granted,
    SessionRequest,
    SessionResponse,
    Wanted,
    Welcome,
)
from services.arbiter.members import Held
from services.arbiter.metrics import ArbiterMetrics
from services.runtime.arbiter_wire import (
    read_claim,
    read_placement,
    read_urgency,
    read_use,
    write_placement,
    write_refusal,
    write_urgency,
)
from services.runtime.errors import InvalidRequest, OrfeonError
from services.runtime.residency.ledger import Holder
from services.runtime.residency.memory import Claim
from services.runtime.residency.placement import Placement
from services.runtime.urgency import Urgency

#: Messages that a client should send within the time after which it is taken for gone.
RENEWALS = 3


class ClientSession:
    """A `Claimant` at the other end of a stream. None in the outbox ends the stream."""

    def __init__(
        self, metrics: ArbiterMetrics, clock: Callable[[], float], lease_ttl: float
    ) -> None:
        self.outbox: asyncio.Queue[SessionResponse | None] = asyncio.Queue()
        self._metrics = metrics
        self._clock = clock
        self._arrived: dict[int, tuple[Claim, float]] = {}
        self._wanted: set[int] = set()
        self._say(SessionResponse(welcome=Welcome(renew_seconds=lease_ttl / RENEWALS)))

    def granted(self, claim_id: int, placement: Placement) -> None:
        """See `Claimant`."""
        claim, arrived = self._arrived.pop(claim_id)
        self._metrics.granted(claim.urgency.level, self._clock() - arrived)
        granted = Granted(id=claim_id, placement=write_placement(placement))
        self._say(SessionResponse(granted=granted))

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        """See `Claimant`."""
        del self._arrived[claim_id]
        self._metrics.refused()
        self._say(SessionResponse(refused=write_refusal(claim_id, error)))

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """See `Claimant`."""
        message = Wanted(id=lease_id)
        if urgency is None:
            self._wanted.discard(lease_id)
        else:
            message.urgency.CopyFrom(write_urgency(urgency, self._clock()))
            if lease_id not in self._wanted:
                self._wanted.add(lease_id)
                self._metrics.revoked()
        self._say(SessionResponse(wanted=message))

    def handle(self, request: SessionRequest, holder: Holder) -> None:
        """Does what a request asks for. Raises `InvalidRequest` for one that makes no sense."""
        now = self._clock()
        match request.WhichOneof("event"):
            case "claim":
                claim = read_claim(request.claim, now)
                if claim.footprint.bytes < 0 or claim.id in holder.leases:
                    raise InvalidRequest("A claim needs a size and a number of its own.")
                self._arrived[claim.id] = (claim, now)
                holder.claim(claim)
            case "update":
                holder.update(request.update.id, read_urgency(request.update.urgency, now))
            case "withdraw":
                self._arrived.pop(request.withdraw.id, None)
                holder.withdraw(request.withdraw.id)
            case "report":
                holder.report(request.report.id, read_use(request.report.use, now))
            case "release":
                self._wanted.discard(request.release.id)
                holder.release(request.release.id)
            case "renew":
                pass
            case other:
                raise InvalidRequest(f"A session cannot be told {other or 'nothing'!r} here.")

    def _say(self, response: SessionResponse) -> None:
        self.outbox.put_nowait(response)


def held_of(request: SessionRequest, now: float) -> list[Held]:
    """The leases that a hello names."""
    return [
        Held(
            lease.id,
            lease.model,
            read_placement(lease.placement),
            read_use(lease.use, now),
            now - lease.held_seconds,
        )
        for lease in request.hello.leases
    ]
