"""`/healthz`, `/readyz` and `/metrics`: for probes and Prometheus, without a key."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import envelope, headers_of
from gateway.metrics import GatewayMetrics
from gateway.openapi import failures
from gateway.upstreams import Upstreams
from services.runtime.errors import ServiceUnavailable

_READY = {"status": "ready", "capabilities": {"chat": "serving", "speech": "serving"}}


def health_router(upstreams: Upstreams, metrics: GatewayMetrics) -> APIRouter:
    """The routes that tell how the gateway is."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/healthz",
        summary="Whether the process is up",
        responses={
            200: {"content": {"application/json": {"example": {"status": "ok"}}}},
            **failures(500),
        },
    )
    async def healthz() -> dict[str, str]:
        """Asks no other service."""
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="Whether every service is ready",
        response_model=dict[str, Any],
        responses={
            200: {"content": {"application/json": {"example": _READY}}},
            **failures(500, 503),
        },
    )
    async def readyz() -> Response:
        """Per capability `serving`, `not_serving` (still loading) or `unreachable`."""
        states = await upstreams.health()
        missing = [name for name, state in states.items() if state != "serving"]
        if not missing:
            return JSONResponse({"status": "ready", "capabilities": states})
        error = ServiceUnavailable(f"Not ready: {', '.join(missing)}.", retry_after=1.0)
        return JSONResponse(
            {"status": "not_ready", "capabilities": states, **envelope(error)},
            error.http_status,
            headers_of(error),
        )

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={
            200: {
                "content": {
                    "text/plain": {
                        "schema": {"type": "string"},
                        "example": "orfeon_http_requests_in_progress 1.0\n",
                    }
                }
            },
            **failures(500),
        },
    )
    async def show_metrics(request: Request) -> Response:
        """In Prometheus' text format, or as OpenMetrics for who asks for that."""
        page, media_type = metrics.page(request.headers.get("accept", ""))
        return Response(page, media_type=media_type)

    return router
