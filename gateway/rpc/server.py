"""The server of the public gRPC: where it listens, its health and its reflection."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.rpc.handlers import PublicHandlers
from gateway.rpc.health import Health
from gateway.rpc.methods import CONTRACTS, OWN
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from services.runtime.endpoint import MAX_MESSAGE_BYTES

log = logging.getLogger(__name__)

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

#: Calls of one connection at once; its further ones wait in the client.
MAX_CALLS = 1_000

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    # Each takes some 20 KiB, and health is watched without a key.
    ("grpc.max_concurrent_streams", MAX_CALLS),
    # A client that is gone without a word is noticed within a minute and a half.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Clients of live streams ask more often whether we are there than gRPC lets them by itself.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class PublicServer:
    """Serves the handlers at the gateway's gRPC port. `start` and `stop` in one event loop."""

    def __init__(
        self, settings: GatewaySettings, upstreams: Upstreams, handlers: PublicHandlers
    ) -> None:
        self._settings = settings
        self._upstreams = upstreams
        self._handlers = handlers

    async def start(self) -> None:
        """Listens. Raises `RuntimeError` where it cannot."""
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = Health(self._upstreams)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        contracts = (CONTRACTS[name] for name in self._upstreams.capabilities)
        names = (*contracts, *OWN, _HEALTH, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        # The last one: it has an answer to whatever the others do not know.
        self._server.add_generic_rpc_handlers((self._handlers,))
        address = self._listen()
        await self._server.start()
        self._looking = asyncio.create_task(self._health.look())
        log.info("listening", extra={"grpc": address})

    async def stop(self) -> None:
        """Takes no further call, and lets running ones end within the drain time."""
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        self._health.stop()
        seconds = self._settings.drain_seconds
        # Before gRPC's own clock, which is set after it.
        over = asyncio.get_running_loop().call_later(seconds, self._handlers.drained)
        await self._server.stop(seconds)
        over.cancel()

    def _listen(self) -> str:
        host = self._settings.host
        address = f"{f'[{host}]' if ':' in host else host}:{self._settings.grpc_port}"
        certificate, key = self._settings.grpc_tls_certificate, self._settings.grpc_tls_key
        if certificate is None or key is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, _credentials(certificate, key))
        return address


def _credentials(certificate: Path, key: Path) -> grpc.ServerCredentials:
    """Read anew for each connection: certificates are renewed while we serve."""

    def read() -> grpc.ServerCertificateConfiguration:
        chain = [(key.read_bytes(), certificate.read_bytes())]
        return grpc.ssl_server_certificate_configuration(chain)

    return grpc.dynamic_ssl_server_credentials(read(), read)
