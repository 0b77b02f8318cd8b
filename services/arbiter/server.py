"""The arbiter's gRPC server.

It is ready from the first moment: clients of a predecessor must be able to come back before
anything is granted.
"""

import asyncio

from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc
from services.arbiter.arbiter import Arbiter
from services.arbiter.members import Members
from services.arbiter.metrics import ArbiterMetrics
from services.arbiter.servicer import ArbiterServicer
from services.arbiter.settings import ArbiterSettings
from services.arbiter.state import StateFile
from services.runtime.arbiter_wire import PING_SECONDS
from services.runtime.endpoint import Endpoint, stop_signal
from services.runtime.process import is_alive, this_process
from services.runtime.residency.ledger import Ledger
from services.runtime.telemetry import configure_logging

SERVICE = arbiter_pb2.DESCRIPTOR.services_by_name["ArbiterService"].full_name
#: How long sessions may take to end, seconds.
STOP_SECONDS = 1.0


class ArbiterServer:
    """One running arbiter: `start`, then `stop`."""

    def __init__(self, ledger: Ledger, settings: ArbiterSettings) -> None:
        self._settings = settings
        # Clients ping to notice a node's network that lost them without a word.
        pings = ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_SECONDS * 500)
        self._endpoint = Endpoint("arbiter", (SERVICE,), settings, (pings,))
        self._arbiter = Arbiter(
            ledger,
            Members(ledger, lease_ttl=settings.lease_ttl, own=this_process(), is_alive=is_alive),
            None if settings.state is None else StateFile(settings.state),
            ArbiterMetrics(self._endpoint.metrics.registry),
            lease_ttl=settings.lease_ttl,
            settle_seconds=settings.settle_seconds,
        )
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens."""
        arbiter_pb2_grpc.add_ArbiterServiceServicer_to_server(
            ArbiterServicer(self._arbiter, self._settings.lease_ttl), self._endpoint.server
        )
        await self._endpoint.set_ready(True)
        self._tending = asyncio.create_task(self._arbiter.tend())
        await self._endpoint.start()

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serves until `stopping` is set. Raises what its own work raised."""
        assert self._tending is not None
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait([stop, self._tending], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._tending.done():
            self._tending.result()

    async def stop(self) -> None:
        """Ends at once: clients keep what they have, and come back to a successor."""
        if self._tending is not None:
            self._tending.cancel()
        self._arbiter.stop()
        await self._endpoint.stop(STOP_SECONDS)


async def _serve(ledger: Ledger, settings: ArbiterSettings) -> None:
    stopping = stop_signal()
    server = ArbiterServer(ledger, settings)
    await server.start()
    try:
        await server.serve(stopping)
    finally:
        await server.stop()


def run(ledger: Ledger, settings: ArbiterSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    asyncio.run(_serve(ledger, settings))
