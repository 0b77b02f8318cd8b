"""The gRPC face of the arbiter."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc
from services.arbiter.arbiter import Arbiter
from services.arbiter.members import Member
from services.arbiter.session import ClientSession
from services.runtime.arbiter_wire import write_claim, write_placement, write_urgency, write_use
from services.runtime.errors import InvalidRequest
from services.runtime.residency.ledger import Lease

Requests = AsyncIterator[arbiter_pb2.SessionRequest]


class ArbiterServicer(arbiter_pb2_grpc.ArbiterServiceServicer):
    """Serves `ArbiterService`. A client silent for `lease_ttl` seconds loses its session."""

    def __init__(self, arbiter: Arbiter, lease_ttl: float) -> None:
        self._arbiter = arbiter
        self._lease_ttl = lease_ttl

    async def Session(
        self, request_iterator: Requests, context: Any
    ) -> AsyncIterator[arbiter_pb2.SessionResponse]:
        """See the contract."""
        hello = await _next(request_iterator, self._lease_ttl)
        if hello is None or not hello.HasField("hello"):
            raise InvalidRequest("The first message of a session must be hello.")
        session, member = self._arbiter.open(hello)
        listening = asyncio.create_task(self._listen(request_iterator, session, member))
        try:
            while (response := await session.outbox.get()) is not None:
                yield response
            if listening.done():
                listening.result()  # For what it raised.
        finally:
            listening.cancel()
            self._arbiter.close(session, member)

    async def Show(
        self, request: arbiter_pb2.ShowRequest, context: Any
    ) -> arbiter_pb2.ShowResponse:
        """See the contract."""
        ledger = self._arbiter.ledger
        now, free = ledger.clock(), ledger.free()
        members = sorted(self._arbiter.members, key=lambda each: each.holder.name)
        waiting = [(each, claim) for each in members for claim in each.holder.claims.values()]
        return arbiter_pb2.ShowResponse(
            devices=[
                arbiter_pb2.Device(name=name, capacity=capacity, free=free[name])
                for name, capacity in sorted(ledger.capacity.items())
            ],
            leases=[
                _shown(member, lease, now)
                for member in members
                for lease in sorted(member.holder.leases.values(), key=lambda each: each.since)
            ],
            claims=[
                arbiter_pb2.PendingClaim(
                    holder=member.holder.name,
                    pid=member.process.pid,
                    claim=write_claim(claim, now),
                )
                for member, claim in sorted(waiting, key=lambda each: each[1].urgency.rank(now))
            ],
        )

    async def _listen(self, requests: Requests, session: ClientSession, member: Member) -> None:
        try:
            while (request := await _next(requests, self._lease_ttl)) is not None:
                if not self._arbiter.handle(request, session, member):
                    return
        finally:
            session.outbox.put_nowait(None)


async def _next(requests: Requests, seconds: float) -> arbiter_pb2.SessionRequest | None:
    """The next message, None if none comes in time or ever again."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(requests, None)
    except TimeoutError:
        return None


def _shown(member: Member, lease: Lease, now: float) -> arbiter_pb2.HeldLease:
    shown = arbiter_pb2.HeldLease(
        holder=member.holder.name,
        pid=member.process.pid,
        lease=arbiter_pb2.Lease(
            id=lease.id,
            model=lease.model,
            placement=write_placement(lease.placement),
            use=write_use(lease.use, now),
            held_seconds=now - lease.since,
        ),
        connected=member.orphaned is None,
    )
    if lease.wanted is not None:
        shown.wanted.CopyFrom(write_urgency(lease.wanted, now))
    return shown
