"""Small documents of an OpenID provider, over HTTP."""

import asyncio
from typing import Protocol

import httpx

from services.runtime.authorities import trusting

#: A provider has a handful of keys, of some 2 KiB each where certificates come along.
MOST_BYTES = 2**19
_SECONDS = 5.0


class Unfetched(Exception):
    """The provider gave nothing of use; says why, in words for a log."""


class Fetch(Protocol):
    """Reads what lies at addresses."""

    async def get(self, url: str) -> bytes:
        """What lies there. Raises `Unfetched`."""

    async def close(self) -> None:
        """Closes the connections."""


class HttpFetch:
    """Reads at most half a MiB within five seconds, and is sent nowhere else by the answer.

    `ca_file` has certificates of authorities that are trusted beside the public ones.
    """

    def __init__(self, ca_file: str = "") -> None:
        # One for all times: reading the certificates that it trusts holds everything up.
        self._client = httpx.AsyncClient(
            verify=trusting(ca_file),
            timeout=_SECONDS,
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )

    async def get(self, url: str) -> bytes:
        """What lies there. Raises `Unfetched`."""
        body = b""
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._client.stream("GET", url) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise Unfetched(f"the provider answers {answer.status_code}")
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise Unfetched("the provider answers too much")
        except (TimeoutError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unfetched(str(error) or type(error).__name__) from error
        return body

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
