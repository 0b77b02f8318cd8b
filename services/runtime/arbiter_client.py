"""Memory from the node's arbiter: a `Memory` at this end of a gRPC stream.

What is held and what is asked for is kept here, too. When the arbiter dies the process keeps what
it has and takes nothing new; once there is an arbiter again it hears of the former and is asked
for the latter.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import grpc

from orfeon.api.arbiter.v1 import arbiter_pb2_grpc
from orfeon.api.arbiter.v1.arbiter_pb2 import (
    Hello,
    Release,
    Renew,
    Report,
    SessionRequest,
    SessionResponse,
    Update,
    Withdraw,
)
from orfeon.api.arbiter.v1.arbiter_pb2 import Lease as LeaseMessage
from services.runtime.arbiter_wire import (
    PING_SECONDS,
    read_placement,
    read_refusal,
    read_urgency,
    write_claim,
    write_placement,
    write_process,
    write_urgency,
    write_use,
)
from services.runtime.process import this_process
from services.runtime.residency.memory import Claim, Claimant, Use
from services.runtime.residency.placement import Placement
from services.runtime.urgency import Urgency

log = logging.getLogger(__name__)

#: Seconds between two reports on the same lease.
REPORT_SECONDS = 0.05
#: Seconds before the next attempt: the first, and the most.
FIRST_RETRY, LONGEST_RETRY = 0.1, 0.3
#: Seconds between two signs of life, until the arbiter says how often it wants them.
RENEW_SECONDS = 1.0
#: Seconds without an arbiter after which the log says so: at first, and the most in between.
FIRST_COMPLAINT, RAREST_COMPLAINT = 5.0, 60.0

_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_RETRY * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(LONGEST_RETRY * 1000)),
    ("grpc.keepalive_time_ms", PING_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", PING_SECONDS * 1000),
    # The arbiter is on this node; a proxy in the environment is for the world outside.
    ("grpc.enable_http_proxy", 0),
)


@dataclass(slots=True)
class _Held:
    """A lease. `told` is what the arbiter last heard of its use."""

    model: str
    placement: Placement
    since: float
    use: Use = field(default_factory=Use)
    told: Use = field(default_factory=Use)
    wanted: bool = False


class ArbiterClient:
    """A `Memory` given by the arbiter at `address`: `host:port` or `unix:/path`.

    `name` says who asks. All methods, and all calls of the claimant, are of one event loop. What
    is asked for before `start` waits until then.
    """

    def __init__(
        self, address: str, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._name = name
        self._clock = clock
        self._claims: dict[int, Claim] = {}
        self._leases: dict[int, _Held] = {}
        self._resting: dict[int, asyncio.TimerHandle] = {}
        self._outbox: asyncio.Queue[SessionRequest] | None = None
        self._renew_seconds = RENEW_SECONDS
        self._task: asyncio.Task[None] | None = None
        self._complaint: asyncio.TimerHandle | None = None
        self._failure = ""
        self.connected = False
        """Whether there is an arbiter now, which knows us."""

    async def start(self, claimant: Claimant) -> None:
        """Begins to talk to the arbiter, in the background; it need not be there yet."""
        self._task = asyncio.create_task(self._run(claimant))
        self._complain_in(FIRST_COMPLAINT)

    async def close(self) -> None:
        """Stops talking. The arbiter takes what is still held for taken until the process ends."""
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._complain_no_more()

    def claim(self, claim: Claim) -> None:
        """See `Memory`."""
        self._claims[claim.id] = claim
        self._say(SessionRequest(claim=write_claim(claim, self._clock())))

    def update(self, claim_id: int, urgency: Urgency) -> None:
        """See `Memory`."""
        if (claim := self._claims.get(claim_id)) is not None:
            self._claims[claim_id] = replace(claim, urgency=urgency)
            update = Update(id=claim_id, urgency=write_urgency(urgency, self._clock()))
            self._say(SessionRequest(update=update))

    def withdraw(self, claim_id: int) -> None:
        """See `Memory`."""
        if self._claims.pop(claim_id, None) is not None:
            self._say(SessionRequest(withdraw=Withdraw(id=claim_id)))

    def report(self, lease_id: int, use: Use) -> None:
        """See `Memory`. The arbiter hears of at most one use in 50 ms, and always of the last."""
        if (held := self._leases.get(lease_id)) is not None:
            held.use = use
            # Whether a model may go at all decides whether others are refused: no time to lose.
            if lease_id not in self._resting or use.pinned != held.told.pinned:
                self._report(lease_id)

    def release(self, lease_id: int) -> None:
        """See `Memory`."""
        if self._leases.pop(lease_id, None) is not None:
            if (timer := self._resting.pop(lease_id, None)) is not None:
                timer.cancel()
            self._say(SessionRequest(release=Release(id=lease_id)))

    def _report(self, lease_id: int) -> None:
        """Tells the arbiter of a use, unless it knows, and then rests a while."""
        if (timer := self._resting.pop(lease_id, None)) is not None:
            timer.cancel()
        held = self._leases.get(lease_id)
        if held is None or held.use == held.told:
            return
        held.told = held.use
        report = Report(id=lease_id, use=write_use(held.use, self._clock()))
        self._say(SessionRequest(report=report))
        self._resting[lease_id] = asyncio.get_running_loop().call_later(
            REPORT_SECONDS, self._report, lease_id
        )

    def _say(self, request: SessionRequest) -> None:
        # Without a session nothing is lost: the next begins with all that is held and claimed.
        if self._outbox is not None:
            self._outbox.put_nowait(request)

    async def _run(self, claimant: Claimant) -> None:
        """Has one session after the other."""
        retry = FIRST_RETRY
        async with grpc.aio.insecure_channel(self._address, options=_OPTIONS) as channel:
            stub: arbiter_pb2_grpc.ArbiterServiceAsyncStub
            stub = arbiter_pb2_grpc.ArbiterServiceStub(channel)
            while True:
                await channel.channel_ready()
                session = stub.Session(self._requests(self._begin()))
                try:
                    async for response in session:
                        retry = FIRST_RETRY
                        self._hear(response, claimant)
                    self._lost("OK")
                except grpc.aio.AioRpcError as error:
                    self._lost(error.code().name)
                except Exception:
                    # A fault of ours must not leave the process without memory for ever: the next
                    # session begins with a hello, which puts right whatever is wrong.
                    log.exception("the session failed")
                finally:
                    session.cancel()
                    if self.connected:
                        self._complain_in(FIRST_COMPLAINT)
                    self._outbox, self.connected = None, False
                self._forget_wanted(claimant)
                await asyncio.sleep(retry)
                retry = min(2 * retry, LONGEST_RETRY)

    def _lost(self, code: str) -> None:
        """A session ended, or never began: of those there may be several in a second."""
        self._failure = code
        if self.connected:
            log.info("the arbiter is away", extra={"code": code})

    def _complain_in(self, seconds: float) -> None:
        """Says in the log that there is no arbiter, then and more and more rarely after."""
        self._complain_no_more()
        loop = asyncio.get_running_loop()
        self._complaint = loop.call_later(seconds, self._complain, seconds)

    def _complain(self, waited: float) -> None:
        log.warning(
            "no arbiter: no model can be loaded",
            extra={
                "address": self._address,
                "code": self._failure,
                "waiting": sorted(claim.model for claim in self._claims.values()),
            },
        )
        self._complain_in(min(2 * waited, RAREST_COMPLAINT))

    def _complain_no_more(self) -> None:
        if self._complaint is not None:
            self._complaint.cancel()
            self._complaint = None

    def _begin(self) -> asyncio.Queue[SessionRequest]:
        """A new outbox, with all that there is to say in it."""
        outbox: asyncio.Queue[SessionRequest] = asyncio.Queue()
        outbox.put_nowait(self._hello())
        now = self._clock()
        for claim in self._claims.values():
            outbox.put_nowait(SessionRequest(claim=write_claim(claim, now)))
        self._outbox = outbox
        return outbox

    async def _requests(
        self, outbox: asyncio.Queue[SessionRequest]
    ) -> AsyncIterator[SessionRequest]:
        """What this end says: whatever happens, and if nothing does, that it lives."""
        while True:
            try:
                async with asyncio.timeout(self._renew_seconds):
                    request = await outbox.get()
            except TimeoutError:
                request = SessionRequest(renew=Renew())
            yield request

    def _hello(self) -> SessionRequest:
        now = self._clock()
        hello = Hello(name=self._name, process=write_process(this_process()))
        for lease_id, held in self._leases.items():
            held.told = held.use
            hello.leases.append(
                LeaseMessage(
                    id=lease_id,
                    model=held.model,
                    placement=write_placement(held.placement),
                    use=write_use(held.use, now),
                    held_seconds=now - held.since,
                )
            )
        return SessionRequest(hello=hello)

    def _hear(self, response: SessionResponse, claimant: Claimant) -> None:
        match response.WhichOneof("event"):
            case "welcome":
                self.connected = True
                self._complain_no_more()
                self._renew_seconds = response.welcome.renew_seconds
            case "granted":
                self._granted(
                    response.granted.id, read_placement(response.granted.placement), claimant
                )
            case "refused":
                if self._claims.pop(response.refused.id, None) is not None:
                    claimant.refused(response.refused.id, read_refusal(response.refused))
            case "wanted":
                wanted = response.wanted
                if (held := self._leases.get(wanted.id)) is not None:
                    held.wanted = wanted.HasField("urgency")
                    urgency = read_urgency(wanted.urgency, self._clock()) if held.wanted else None
                    claimant.wanted(wanted.id, urgency)

    def _granted(self, claim_id: int, placement: Placement, claimant: Claimant) -> None:
        claim = self._claims.pop(claim_id, None)
        if claim is None:  # It was withdrawn while the grant was on its way.
            self._say(SessionRequest(release=Release(id=claim_id)))
            return
        self._leases[claim_id] = _Held(claim.model, placement, self._clock())
        claimant.granted(claim_id, placement)

    def _forget_wanted(self, claimant: Claimant) -> None:
        """Whoever waited for what we hold will say so again."""
        for lease_id, held in list(self._leases.items()):
            if held.wanted:
                held.wanted = False
                claimant.wanted(lease_id, None)
