"""The arbiter's heart: the ledger, who is in it, and what is written down of that."""

import asyncio
import contextlib
import logging

from orfeon.api.arbiter.v1.arbiter_pb2 import SessionRequest
from services.arbiter.members import Member, Members
from services.arbiter.metrics import ArbiterMetrics
from services.arbiter.session import ClientSession, held_of
from services.arbiter.state import StateFile
from services.runtime.arbiter_wire import read_process
from services.runtime.residency.ledger import Ledger

log = logging.getLogger(__name__)

#: Seconds between two looks at what changes without a message: memory that others use, claims
#: that become due, processes; and while one of these has just fallen silent.
TICK, QUICK_TICK = 0.25, 0.05


class Arbiter:
    """Shares a ledger among sessions. Lives in one event loop.

    Whatever is decided is written down before anybody is told: answers wait in the outboxes until
    the loop turns.
    """

    def __init__(
        self,
        ledger: Ledger,
        members: Members,
        state: StateFile | None,
        metrics: ArbiterMetrics,
        *,
        lease_ttl: float,
        settle_seconds: float,
    ) -> None:
        self.ledger = ledger
        self.members = members
        self._state = state
        self._metrics = metrics
        self._lease_ttl = lease_ttl
        self._orphaned = asyncio.Event()
        self._sessions: set[ClientSession] = set()
        known = state is not None and state.restore(members, ledger.clock())
        self._settled: float | None = None
        if not known and settle_seconds > 0:
            ledger.pause()
            self._settled = ledger.clock() + settle_seconds
        self._write()

    def open(self, hello: SessionRequest) -> tuple[ClientSession, Member]:
        """Begins the session that a hello asks for."""
        session = ClientSession(self._metrics, self.ledger.clock, self._lease_ttl)
        now = self.ledger.clock()
        said = hello.hello
        process = read_process(said.process)
        member = self.members.attach(said.name, process, held_of(hello, now), session)
        self._sessions.add(session)
        self._write()
        log.info("joined", extra={"holder": said.name, "pid": process.pid})
        return session, member

    def handle(self, request: SessionRequest, session: ClientSession, member: Member) -> bool:
        """Does what a client asks for; False, and nothing, if it has begun another session.

        Raises `InvalidRequest`.
        """
        if member.holder.claimant is not session:
            return False
        session.handle(request, member.holder)
        self._write()
        return True

    def close(self, session: ClientSession, member: Member) -> None:
        """Ends a session: its claims are withdrawn; its leases stay until the process is gone."""
        self._sessions.discard(session)
        self.members.detach(member, session)
        self._write()
        self._orphaned.set()

    def stop(self) -> None:
        """Ends all sessions. What they hold stays written down, for a successor."""
        for session in self._sessions:
            session.outbox.put_nowait(None)

    async def tend(self) -> None:
        """Does for ever what no message asks for: forgets the dead, notices what became free."""
        while True:
            self._orphaned.clear()
            if self._settled is not None and self.ledger.clock() >= self._settled:
                self._settled = None
                self.ledger.resume()
            tick = QUICK_TICK if self.members.sweep() else TICK
            self.ledger.settle()
            self._write()
            self._metrics.look(self.ledger)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._orphaned.wait(), tick)

    def _write(self) -> None:
        # Not before all have had the time to come back: it would be taken for the whole truth.
        if self._state is not None and self._settled is None:
            self._state.write(self.members)
