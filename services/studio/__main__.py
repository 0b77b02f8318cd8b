"""`python -m services.studio`: settings, then the app, then HTTP."""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from services.runtime.environment import settings_of
from services.runtime.telemetry import configure_logging
from services.studio.scratch import scratch
from services.studio.settings import StudioSettings


class _Server(uvicorn.Server):
    """uvicorn's server, which calls `let_go` before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, let_go: Callable[[], None]) -> None:
        super().__init__(config)
        self._let_go = let_go

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets running requests end, then ends the application."""
        self._let_go()
        await super().shutdown(sockets)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = settings_of(StudioSettings)
    configure_logging(settings.log_level)
    # Which tells of every request.
    logging.getLogger("httpx").setLevel("WARNING")
    logging.getLogger("httpx2").setLevel("WARNING")
    # uvicorn ends the process by the signal that it got, which would leave the folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with scratch() as folder:
        serve(settings, folder)


def serve(settings: StudioSettings, folder: str) -> None:
    """Serves; what is uploaded and made lies in `folder` for as long as it is needed."""
    # Read when Gradio is imported.
    os.environ |= {
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
    }
    from services.studio.app import create_app, let_go

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, lambda: let_go(app)).run()


if __name__ == "__main__":
    main()
