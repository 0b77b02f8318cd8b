"""`python -m gateway`: settings, then the parts, then HTTP."""

import gc

import uvicorn

from gateway.app import create_app
from gateway.keystore import KeyStore
from gateway.protocol import SOCKETS, EnvelopeProtocol
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from services.runtime.telemetry import configure_logging


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = GatewaySettings()
    configure_logging(settings.log_level)
    keys = KeyStore(settings.database_url) if settings.require_keys else None
    app = create_app(settings, Upstreams(settings.upstreams), keys)
    # What is here now stays: no collection needs to look at it again, while requests wait.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=EnvelopeProtocol,
        **SOCKETS,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )


if __name__ == "__main__":
    main()
