"""Answers that come as server-sent events."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from orfeon.errors import OrfeonError

T = TypeVar("T")

_DONE = "[DONE]"


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream up to `[DONE]`. Raises `OrfeonError` for an error among them."""
    for line in response.iter_lines():
        data = _data(line)
        if data == _DONE:
            return
        if data:
            yield _event(data)
    raise _broken_off()


async def events_async(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The same for asyncio."""
    async for line in response.aiter_lines():
        data = _data(line)
        if data == _DONE:
            return
        if data:
            yield _event(data)
    raise _broken_off()


def read(reader: Callable[[Mapping[str, Any]], T], event: Mapping[str, Any]) -> T:
    """What an event says. Raises `OrfeonError` for one that the reader does not know."""
    try:
        return reader(event)
    except (KeyError, TypeError, ValueError) as error:
        raise unknown() from error


def unknown() -> OrfeonError:
    """What an event is answered with that nobody knows."""
    return OrfeonError("The server's answer is not one of Orfeón's gateway.")


def _data(line: str) -> str:
    return line.removeprefix("data:").strip() if line.startswith("data:") else ""


def _event(data: str) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(data)
        # A job that failed has an error too, and says which under the same name.
        error = None if event.get("object") == "job" else event.get("error")
        message = None if error is None else str(error["message"])
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise unknown() from fault
    if message is not None:
        raise OrfeonError(message)
    return event


def _broken_off() -> OrfeonError:
    return OrfeonError("The answer broke off; ask again.")
