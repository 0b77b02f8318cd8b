"""Calls of one service, made again where it dies before it has answered."""

import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from gateway.retry import Retries
from services.runtime.connection import answer, answers
from services.runtime.context import RequestContext


class Calls:
    """The calls of a capability. Both methods raise `OrfeonError`."""

    def __init__(self, capability: str, retries: Retries) -> None:
        self._capability = capability
        self._retries = retries

    async def ask(self, context: RequestContext, begin: Callable[..., Any]) -> Any:
        """What a call answers."""

        async def ask() -> Any:
            return await answer(begin(metadata=context.metadata(), timeout=context.timeout()))

        return await self._retries.whole(self._capability, context, ask)

    def follow(
        self, context: RequestContext, begin: Callable[..., Any]
    ) -> AsyncGenerator[Any, None]:
        """What a call answers, piece by piece."""

        def follow() -> AsyncGenerator[Any, None]:
            return answers(begin(metadata=context.metadata(), timeout=context.timeout()))

        return self._retries.pieces(self._capability, context, follow)


def named(idempotency_key: str | None) -> str:
    """What names a request: its client's word, or one of ours.

    The gateway itself asks again where a service dies, and what it asks for must not be made twice.
    """
    return idempotency_key or f"gateway-{uuid.uuid4().hex}"
