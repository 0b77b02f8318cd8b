"""`/v1/usage`: what keys have used."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.schemas.usage import UsageList, UsageRow
from gateway.usage import Usage, UsageBook

_EXAMPLE: UsageList = {
    "object": "list",
    "data": [
        {
            "object": "usage",
            "day": "2030-01-31",
            "key_id": "key_5f0c9a",
            "capability": "chat",
            "requests": 12,
            "tokens": 3_456,
            "audio_seconds": 0.0,
        }
    ],
    "has_more": False,
}


def usage_router(gatekeeper: Gatekeeper, book: UsageBook | None) -> APIRouter:
    """The route of usage. `book` is None where no key is required: there is nobody to count."""
    guard = Guard(gatekeeper, None)
    router = APIRouter(route_class=guard.route_class(), tags=["usage"])

    @router.get(
        "/v1/usage",
        summary="Show what was used",
        response_model=UsageList,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **failures(400, 401, 500, 503),
        },
    )
    async def show_usage(
        request: Request,
        days: Annotated[int, Query(ge=1, le=366, description="Of so many days, today's too.")] = 30,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Most rows.")] = 1_000,
    ) -> UsageList:
        """Requests, tokens and audio of the key that asks; those of all, for an admin key.

        What another gateway has counted comes up to five seconds later.
        """
        key = exchange_of(request.scope).key
        assert key is not None, "the guard admits nobody without"
        rows: list[Usage] = []
        if book is not None:
            rows = await book.read(None if key.is_admin else key.id, days, limit + 1)
        return {
            "object": "list",
            "data": [_public(row) for row in rows[:limit]],
            "has_more": len(rows) > limit,
        }

    return router


def _public(row: Usage) -> UsageRow:
    return {
        "object": "usage",
        "day": row.day,
        "key_id": row.key_id,
        "capability": row.capability,
        "requests": row.amounts.requests,
        "tokens": row.amounts.tokens,
        "audio_seconds": round(row.amounts.audio_seconds, 3),
    }
