"""Answers that come as server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from orfeon.errors import OrfeonError


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream up to `[DONE]`. Raises `OrfeonError` for an error among them."""
    for line in response.iter_lines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            return
        if not data:
            continue
        try:
            event: dict[str, Any] = json.loads(data)
            error = event.get("error")
            message = None if error is None else str(error["message"])
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise unknown() from fault
        if message is not None:
            raise OrfeonError(message)
        yield event
    raise OrfeonError("The answer broke off; ask again.")


def unknown() -> OrfeonError:
    """What an event is answered with that nobody knows."""
    return OrfeonError("The server's answer is not one of Orfeón's gateway.")
