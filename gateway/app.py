"""The gateway as an ASGI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from gateway import errors, openapi
from gateway.catalog import Catalog
from gateway.emotioncalls import EmotionCalls
from gateway.gatekeeper import Gatekeeper
from gateway.keystore import KeyStore
from gateway.lingering import Lingering
from gateway.memory import UploadMemory
from gateway.metrics import GatewayMetrics
from gateway.middleware import Bounded, Observed
from gateway.ratelimits import RateLimiter, Rates
from gateway.residency import Residency
from gateway.retry import Retries
from gateway.routes.chat import chat_router
from gateway.routes.classification import classification_router
from gateway.routes.completions import completions_router
from gateway.routes.embeddings import embeddings_router
from gateway.routes.files import FILES, files_router
from gateway.routes.fine_tuning import fine_tuning_router
from gateway.routes.fine_tuning_progress import fine_tuning_progress_router
from gateway.routes.following import following_router
from gateway.routes.health import health_router
from gateway.routes.images import images_router
from gateway.routes.jobs import jobs_router
from gateway.routes.lyrics import lyrics_router
from gateway.routes.melody import melody_router
from gateway.routes.models import models_router
from gateway.routes.queue import queue_router
from gateway.routes.residency import residency_router
from gateway.routes.responses import responses_router
from gateway.routes.songs import songs_router
from gateway.routes.speech import speech_router
from gateway.routes.transcription import transcription_router
from gateway.routes.usage import usage_router
from gateway.routes.voices import voices_router
from gateway.rpc.calls import Limits, PublicCalls
from gateway.rpc.handlers import PublicHandlers
from gateway.rpc.own import OwnAnswers
from gateway.rpc.server import PublicServer
from gateway.settings import GatewaySettings
from gateway.songcalls import SongCalls
from gateway.trainingcalls import TrainingCalls
from gateway.transcribing import SpeechCalls
from gateway.upstreams import Upstreams
from gateway.usage import UsageBook
from orfeon import __version__

if TYPE_CHECKING:
    from gateway.tokens import Tokens

log = logging.getLogger(__name__)

_EXPOSED = (
    "location",
    "x-request-id",
    "x-request-priority",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    *(f"x-{what}-ms" for what in ("queue", "decode", "inference")),
    "x-queue-position",
    "x-queue-estimated-wait-ms",
    *(f"x-melody-{what}" for what in ("seed", "duration", "tempo", "key")),
    *(
        f"x-ratelimit-{what}-{unit}"
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    ),
)


def create_app(settings: GatewaySettings, upstreams: Upstreams, keys: KeyStore | None) -> FastAPI:
    """The application. `keys` is None where no key is required. Opens `upstreams` as it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await upstreams.open()
        for part in parts:
            await part.start()
        log.info("serving", extra={"upstreams": list(upstreams.capabilities)})
        yield
        for part in reversed(parts):
            await part.stop()
        await upstreams.close()
        await limiter.close()

    metrics = GatewayMetrics(__version__, settings.upstreams)
    limiter = RateLimiter(
        settings.rate_limit_storage,
        timeout=settings.rate_limit_timeout,
        open_levels=settings.rate_limit_fail_open_levels,
        failed=metrics.uncounted,
    )
    book: UsageBook | None = None
    if keys is not None:
        store = keys
        book = UsageBook(store.database)
        metrics.watch_database(lambda: store.reachable)
    tokens = _tokens(settings, metrics)
    gatekeeper = Gatekeeper(
        keys,
        limiter,
        Rates(settings.requests_per_minute, settings.tokens_per_minute),
        settings.request_timeout,
        UploadMemory(settings.upload_memory_bytes),
        book,
        tokens,
    )
    retries = Retries(upstreams, metrics, settings.retry_seconds)
    catalog = Catalog(upstreams)
    residency = Residency(upstreams, retries, catalog)
    rpc: PublicServer | None = None
    if settings.grpc_port:
        own = OwnAnswers(upstreams, catalog, residency)
        limits = Limits(
            message_bytes=settings.max_json_bytes,
            upload_bytes=settings.max_upload_bytes,
            file_bytes=settings.max_file_bytes,
            idle_seconds=settings.stream_idle_seconds,
        )
        calls = PublicCalls(gatekeeper, upstreams, retries, own, limits)
        rpc = PublicServer(settings, upstreams, PublicHandlers(calls, metrics))
    # gRPC, which asks the others, is the last to come and the first to go.
    parts = [part for part in (book, tokens, rpc) if part is not None]
    songs = SongCalls(upstreams, retries)
    trainings = TrainingCalls(upstreams, retries)
    speech = SpeechCalls(upstreams, retries)
    emotions = EmotionCalls(upstreams, retries)
    app = FastAPI(
        title="Orfeón",
        version=__version__,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere, and no page of ours may; /openapi.json stays.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Ours is services/runtime/tracing.py. FastAPI's would quote what exceptions say.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.rpc = rpc
    errors.install(app)
    openapi.install(app)
    # The last one added is the outermost.
    app.add_middleware(
        Bounded,
        json_bytes=settings.max_json_bytes,
        upload_bytes=settings.max_upload_bytes,
        upload_bytes_of={FILES: settings.max_file_bytes},
    )
    app.add_middleware(Lingering)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(Observed, metrics=metrics)
    for router in (
        chat_router(gatekeeper, upstreams, retries),
        completions_router(gatekeeper, upstreams, retries),
        responses_router(gatekeeper, upstreams, retries),
        embeddings_router(gatekeeper, upstreams, retries),
        lyrics_router(gatekeeper, upstreams, retries),
        melody_router(gatekeeper, upstreams, retries, catalog),
        speech_router(gatekeeper, upstreams, retries),
        transcription_router(gatekeeper, speech, emotions),
        classification_router(gatekeeper, emotions),
        following_router(
            gatekeeper, upstreams, settings.cors_origins, settings.stream_idle_seconds
        ),
        voices_router(gatekeeper, speech, emotions),
        images_router(gatekeeper, upstreams, retries, settings.public_url),
        songs_router(gatekeeper, songs),
        jobs_router(gatekeeper, songs),
        files_router(gatekeeper, trainings),
        fine_tuning_router(gatekeeper, trainings),
        fine_tuning_progress_router(gatekeeper, trainings),
        models_router(gatekeeper, catalog),
        residency_router(gatekeeper, residency),
        queue_router(gatekeeper, upstreams),
        usage_router(gatekeeper, book),
        health_router(upstreams, metrics),
    ):
        # The routes themselves: every request would pass through an included router twice.
        app.router.routes.extend(router.routes)
    return app


def _tokens(settings: GatewaySettings, metrics: GatewayMetrics) -> "Tokens | None":
    if not settings.oidc_issuer:
        return None
    # Who has no provider need not have cryptography and httpx in memory.
    from gateway.fetch import HttpFetch
    from gateway.jwks import ProviderKeys
    from gateway.tokens import Tokens

    keys = ProviderKeys(settings, HttpFetch(settings.oidc_ca_file))
    metrics.watch_provider(lambda: keys.reachable)
    return Tokens(settings, keys)
