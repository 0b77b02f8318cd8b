"""`/v1/embeddings`."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.generation import text_input
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.retry import Retries
from gateway.schemas.embeddings import (
    Embedding,
    EmbeddingList,
    EmbeddingRequest,
    EmbeddingUsage,
)
from gateway.streaming import while_connected
from gateway.upstreams import Upstreams
from gateway.vectors import in_base64
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.connection import answer

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode

_EXAMPLES: dict[str, Any] = {
    "two": {
        "summary": "Two sentences",
        "value": {
            "model": "smollm2-135m-instruct",
            "input": ["The choir sings at seven.", "At seven there is singing."],
        },
    }
}
_EXAMPLE: EmbeddingList = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.0, 0.8]}],
    "model": "smollm2-135m-instruct",
    "usage": {"prompt_tokens": 6, "total_tokens": 6},
}


def embeddings_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The route of embeddings."""
    guard = Guard(gatekeeper, "chat", "json")
    router = APIRouter(route_class=guard.route_class(), tags=["chat"])

    @router.post(
        "/v1/embeddings",
        summary="Make vectors of texts",
        response_model=EmbeddingList,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504),
        },
    )
    async def create_embedding(
        request: Request,
        body: Annotated[EmbeddingRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """A vector of length 1 for each text; texts that mean much the same have vectors that
        point much the same way."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = chat_pb2.EmbedRequest(
            model=body.model or "",
            inputs=map(text_input, body.input),
            dimensions=body.dimensions,
        )

        async def ask() -> chat_pb2.EmbedResponse:
            call = upstreams.chat.Embed(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return await answer(call)

        async with while_connected(request.receive):
            embedded = await retries.whole("chat", context, ask)
            content = await written(embedded, packed=body.encoding_format == "base64")
        charge = BackgroundTask(gatekeeper.charge, exchange, embedded.prompt_tokens)
        return Response(content, media_type="application/json", background=charge)

    return router


async def written(embedded: chat_pb2.EmbedResponse, *, packed: bool) -> str:
    """An `EmbeddingList`, in JSON; `packed` writes vectors in base64.

    All that can be asked for takes seconds to write and is more than anybody else should wait for.
    A thread would help little: it holds the interpreter while it writes. So others have their turn
    after each vector.
    """
    rows = []
    for index, one in enumerate(embedded.embeddings):
        vector = in_base64(one.values) if packed else list(one.values)
        row: Embedding = {"object": "embedding", "index": index, "embedding": vector}
        rows.append(_encode(row))
        await asyncio.sleep(0)
    tokens = embedded.prompt_tokens
    usage: EmbeddingUsage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return (
        f'{{"object":"list","data":[{",".join(rows)}],'
        f'"model":{_encode(embedded.model)},"usage":{_encode(usage)}}}'
    )
