"""The web app: our own routes, and Gradio's pages once in each language."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from gradio.routes import App as GradioApp
from gradio.utils import get_upload_folder
from prometheus_client import CollectorRegistry, start_http_server
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from services.studio import artifacts, boards, oidc, sign_in, sign_out, songs
from services.studio.blocks import Pages
from services.studio.caller import Gateway
from services.studio.doors import Doors
from services.studio.guard import Guard
from services.studio.memory import Memory
from services.studio.metrics import StudioMetrics
from services.studio.pages import PAGES, emotion_live
from services.studio.provider import Provider
from services.studio.scratch import sweep
from services.studio.sessions import Sessions
from services.studio.settings import StudioSettings
from services.studio.shell import FOLDER
from services.studio.studio import BASE, Studio
from services.studio.texts import LANGUAGES, Texts
from services.studio.theme import theme
from services.studio.uploads import apart

#: Events of one kind that may run at once; the gateway has the queue that counts.
_AT_ONCE = 64
#: Events of all kinds and people that may run at once, of which most wait for the gateway.
_MOST_EVENTS = 1000
#: Pages of one language that are remembered at most; the longest unused goes.
_MOST_PAGES = 2000
#: Seconds between looks at what may be old: sessions, and what was made.
_SWEEPS = 60.0


def create_app(settings: StudioSettings) -> FastAPI:
    """The web app."""
    sessions = Sessions(
        settings.session_hours * 3600, settings.idle_hours * 3600, settings.max_sessions
    )
    registry = CollectorRegistry()
    metrics = StudioMetrics(registry, sessions.alive)
    gateway = Gateway(settings.gateway_url, sessions, settings.request_timeout, metrics.failed)
    studio = Studio(settings, sessions, gateway)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with _exporting(registry, settings):
            sweeping = asyncio.create_task(_sweep(sessions, settings.kept_minutes * 60))
            yield
            sweeping.cancel()
        await gateway.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    apart()
    app.state.studio = studio
    app.include_router(sign_in.routes(studio))
    app.include_router(sign_out.routes(studio))
    app.include_router(emotion_live.routes(studio))
    if settings.oidc_issuer:
        app.include_router(oidc.routes(studio, Provider(settings)))
    app.include_router(artifacts.routes(studio))
    app.include_router(boards.routes(studio))
    app.include_router(songs.routes(studio))
    # Any version will do: replicas that are not of the same are asked for each other's.
    app.mount(f"{BASE}/static/{{version}}", StaticFiles(directory=FOLDER))

    # Else it would be led on to an address with a slash at its end.
    @app.get(f"{BASE}/static/{{name}}")
    async def without_version(name: str) -> PlainTextResponse:
        return PlainTextResponse(f"there is no {name}", 404)

    @app.get("/healthz")
    async def alive() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def ready() -> PlainTextResponse:
        there = await gateway.is_there()
        return PlainTextResponse("ok" if there else "the gateway is away", 200 if there else 503)

    for language in LANGUAGES:
        _mount(app, studio, Texts(language))
    names = tuple(page.name for page in PAGES)
    app.add_middleware(Doors, pages=names, most_upload=settings.max_upload_bytes)
    app.add_middleware(Guard, sessions=sessions, pages=names, served=metrics.served)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    return app


async def _sweep(sessions: Sessions, seconds: float) -> None:
    """Ends sessions whose time is over, and deletes what was made so many seconds ago: what Gradio
    does not know of it would keep for good.
    """
    while True:
        sessions.sweep()
        await asyncio.to_thread(sweep, Path(get_upload_folder()), seconds)
        await asyncio.sleep(_SWEEPS)


@contextmanager
def _exporting(registry: CollectorRegistry, settings: StudioSettings) -> Iterator[None]:
    """Serves metrics, where they have a port, which is none that the edge leads to."""
    if not settings.metrics_port:
        yield
        return
    server, thread = start_http_server(
        settings.metrics_port, settings.metrics_host, registry=registry
    )
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def let_go(app: FastAPI) -> None:
    """Ends what pages ask only to stay in touch, which would hold a server that stops."""
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, GradioApp):
            route.app.stop_event.set()


def _mount(app: FastAPI, studio: Studio, t: Texts) -> None:
    first, *others = PAGES
    with Pages(
        t,
        title=t("shell.brand"),
        analytics_enabled=False,
    ) as blocks:
        first.build(studio, t)
    for page in others:
        # The menu is our own, which names the page in a language and can sign out.
        with blocks.route(t(f"shell.{page.name}"), f"/{page.path}", show_in_navbar=False):
            page.build(studio, t)
    blocks.max_threads = _MOST_EVENTS
    blocks.queue(default_concurrency_limit=_AT_ONCE, max_size=10 * _AT_ONCE, api_open=False)
    with warnings.catch_warnings():
        # It has no rendering on the server for several pages, and says so where it was declined.
        warnings.filterwarnings("ignore", "SSR mode is not supported")
        _serve(app, studio, blocks, t)


def _serve(app: FastAPI, studio: Studio, blocks: gr.Blocks, t: Texts) -> None:
    path = f"{BASE}/{t.language}"
    blocks.state_session_capacity = _MOST_PAGES
    # Else no path that it is given or gives is looked at.
    blocks.has_launched = True
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        theme=theme(),
        footer_links=[],
        run_history=False,
        show_error=True,
        ssr_mode=False,
        max_file_size=studio.settings.max_upload_bytes,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
    )
    [mounted] = [
        route.app for route in app.routes if isinstance(route, Mount) and route.path == path
    ]
    assert isinstance(mounted, GradioApp)
    mounted.state_holder = Memory(blocks)
