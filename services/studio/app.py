"""The web app: our own routes, and Gradio's pages once in each language."""

import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from gradio.routes import App as GradioApp
from prometheus_client import CollectorRegistry, start_http_server
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from services.studio import artifacts, boards, oidc, sign_in, songs
from services.studio.blocks import Pages
from services.studio.caller import Gateway
from services.studio.doors import Doors
from services.studio.guard import Guard
from services.studio.metrics import StudioMetrics
from services.studio.pages import PAGES, emotion_live
from services.studio.provider import Provider
from services.studio.sessions import Sessions
from services.studio.settings import StudioSettings
from services.studio.shell import FOLDER
from services.studio.studio import BASE, Studio
from services.studio.texts import LANGUAGES, Texts
from services.studio.theme import theme

#: Events of one kind that may run at once; the gateway has the queue that counts.
_AT_ONCE = 64


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
            yield
        await gateway.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.studio = studio
    app.include_router(sign_in.routes(studio))
    app.include_router(emotion_live.routes(studio))
    if settings.oidc_issuer:
        app.include_router(oidc.routes(studio, Provider(settings)))
    app.include_router(artifacts.routes(studio))
    app.include_router(boards.routes(studio))
    app.include_router(songs.routes(studio))
    app.mount(f"{BASE}/static", StaticFiles(directory=FOLDER))

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
    app.add_middleware(Doors, pages=names)
    app.add_middleware(Guard, sessions=sessions, pages=names, served=metrics.served)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    return app


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
    settings = studio.settings
    with Pages(
        t,
        title=t("shell.brand"),
        analytics_enabled=False,
        delete_cache=(60, int(settings.kept_minutes * 60)),
    ) as blocks:
        first.build(studio, t)
    for page in others:
        # The menu is our own, which names the page in a language and can sign out.
        with blocks.route(t(f"shell.{page.name}"), f"/{page.path}", show_in_navbar=False):
            page.build(studio, t)
    blocks.queue(default_concurrency_limit=_AT_ONCE, max_size=10 * _AT_ONCE, api_open=False)
    with warnings.catch_warnings():
        # It has no rendering on the server for several pages, and says so where it was declined.
        warnings.filterwarnings("ignore", "SSR mode is not supported")
        _serve(app, studio, blocks, t)


def _serve(app: FastAPI, studio: Studio, blocks: gr.Blocks, t: Texts) -> None:
    gr.mount_gradio_app(
        app,
        blocks,
        path=f"{BASE}/{t.language}",
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
