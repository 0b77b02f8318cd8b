"""Calls to the gateway as values: what to send, how to read the answer, when to try again.

Nothing here does any I/O, so that the sync and the async client share all of it.
"""

import email.utils
import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote

import httpx

from orfeon import types
from orfeon.errors import APIConnectionError, APITimeoutError, OrfeonError, error_of

#: A recording: where it lies, its bytes, or an open file.
File = str | os.PathLike[str] | bytes | BinaryIO

T = TypeVar("T")

DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 60.0


@dataclass(frozen=True)
class Upload:
    """A file to send, in a form's field of that name. Opened anew for each attempt."""

    file: File
    field: str = "file"

    @contextmanager
    def opened(self) -> Iterator[tuple[str, bytes | BinaryIO]]:
        """Its name and its content. Raises `OSError`."""
        if isinstance(self.file, bytes):
            yield "recording", self.file
        elif isinstance(self.file, str | os.PathLike):
            path = Path(self.file)
            with path.open("rb") as opened:
                yield path.name, opened
        else:
            yield Path(str(getattr(self.file, "name", "recording"))).name, self.file

    def rewindable(self) -> bool:
        """Whether a second attempt can send it again."""
        return isinstance(self.file, bytes | str | os.PathLike)


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str | list[str]] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def request(self, client: httpx.Client | httpx.AsyncClient) -> Iterator[httpx.Request]:
        """The request, with its files open as long as the block lasts."""
        if not self.uploads:
            yield client.build_request(
                self.method, self.path, json=self.json, headers=dict(self.headers)
            )
            return
        with ExitStack() as files:
            yield client.build_request(
                self.method,
                self.path,
                data=dict(self.form),
                files=[(one.field, files.enter_context(one.opened())) for one in self.uploads],
                headers=dict(self.headers),
            )

    def answer(self, response: httpx.Response) -> T:
        """What the response says. Raises `OrfeonError`."""
        if response.is_error:
            raise error_of(response, retry_after(response))
        try:
            return self.read(response)
        except (ValueError, TypeError, KeyError) as error:
            raise OrfeonError("The server's answer is not one of Orfeón's gateway.") from error


def fields(**values: object) -> dict[str, str]:
    """Form fields, less those that were not given."""
    return {name: str(value) for name, value in values.items() if value is not None}


def lyrics(wish: types.LyricsWish) -> Call[types.Lyrics]:
    """The lyrics of a song."""
    return Call("POST", "lyrics", lambda response: types.lyrics(response.json()), json=wish)


def lyrics_stream(wish: types.LyricsWish) -> Call[None]:
    """The lyrics of a song, as events."""
    return Call("POST", "lyrics", lambda response: None, json={**wish, "stream": True})


def melody(wish: types.MelodyWish, tune: File | None) -> Call[types.Melody]:
    """A piece of music, which follows `tune` if there is one."""

    def read(response: httpx.Response) -> types.Melody:
        return types.melody(response.content, response.headers)

    if tune is None:
        return Call("POST", "melodies", read, json=wish)
    return Call("POST", "melodies", read, form=melody_form(wish), uploads=(Upload(tune),))


def melody_form(wish: Mapping[str, Any]) -> dict[str, str]:
    """The same wish as the fields of a form."""
    return {
        name: json.dumps(value) if name == "sections" else str(value)
        for name, value in wish.items()
    }


def melody_genres(model: str | None) -> Call[list[types.MelodyGenre]]:
    """The genres of music that a model knows."""
    path = "melodies/genres" + (f"?model={quote(model, safe='')}" if model else "")
    return Call("GET", path, lambda response: types.melody_genres(response.json()))


def voices() -> Call[list[types.Voice]]:
    """The voices for speech."""
    return Call("GET", "audio/voices", lambda response: types.voices(response.json()))


def models() -> Call[list[types.Model]]:
    """The models and what each can do."""
    return Call("GET", "models", lambda response: types.models(response.json()))


def load_model(name: str, pinned: bool | None) -> Call[types.Model]:
    """A model into memory; `pinned` None leaves as it is whether it stays there."""
    json = None if pinned is None else {"pinned": pinned}
    return _about(name, "load", json)


def unload_model(name: str) -> Call[types.Model]:
    """A model out of memory."""
    return _about(name, "unload", None)


def queue() -> Call[list[types.QueueEntry]]:
    """The requests that run and wait."""
    return Call("GET", "queue", lambda response: types.queue(response.json()))


def usage(days: int) -> Call[types.UsagePage]:
    """What keys have used in the last so many days."""
    path = f"usage?days={days}&limit=10000"
    return Call("GET", path, lambda response: types.usage(response.json()))


def _about(name: str, action: str, json: Mapping[str, Any] | None) -> Call[types.Model]:
    path = f"models/{quote(name)}/{action}"
    return Call("POST", path, lambda response: types.model(response.json()), json=json)


def options(base_url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    """What both HTTP clients are made with. The version is added to a base URL without one.

    Raises `OrfeonError` for a base URL that is none.
    """
    from orfeon import __version__

    base = base_url.rstrip("/")
    try:
        url = httpx.URL(base)
        known = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        known = False
    if not known:
        raise OrfeonError(
            f"{base_url!r} is no address of a gateway; give one like http://host:8000."
        )
    headers = {"user-agent": f"orfeon/{__version__}"}
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    return {
        "base_url": base if base.endswith("/v1") else f"{base}/v1",
        "headers": headers,
        "timeout": httpx.Timeout(timeout, connect=min(timeout, 5.0)),
    }


def from_environment(base_url: str | None, api_key: str | None) -> tuple[str, str | None]:
    """Fills in what was not given from ORFEON_BASE_URL and ORFEON_API_KEY."""
    return (
        base_url or os.environ.get("ORFEON_BASE_URL") or DEFAULT_BASE_URL,
        api_key or os.environ.get("ORFEON_API_KEY"),
    )


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait, from `retry-after-ms` or `retry-after`."""
    try:
        return float(response.headers["retry-after-ms"]) / 1000
    except (KeyError, ValueError):
        pass
    raw: str = response.headers.get("retry-after", "")
    try:
        return float(raw)
    except ValueError:
        pass
    try:
        when: float = email.utils.parsedate_to_datetime(raw).timestamp()
        now: float = email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
    except (ValueError, KeyError):
        return None
    return max(0.0, when - now)


def delay_before_retry(
    call: Call[Any], outcome: httpx.Response | httpx.TransportError, attempt: int
) -> float | None:
    """Seconds to wait before trying again; None if it is no use. `attempt` counts from 0."""
    if not all(one.rewindable() for one in call.uploads):
        return None
    # Spread, so that many clients that were refused together do not come back together.
    own = min(_FIRST_DELAY * 2.0**attempt, 8.0) * random.uniform(0.75, 1.0)
    if isinstance(outcome, httpx.TransportError):
        return own if isinstance(outcome, httpx.ConnectError) else None
    told = outcome.headers.get("x-should-retry")
    if told == "false" or (outcome.status_code not in (429, 503) and told != "true"):
        return None
    asked = retry_after(outcome)
    if asked is None:
        return own
    return None if asked > _LONGEST_DELAY else asked


def connection_error(error: httpx.HTTPError, base_url: httpx.URL) -> APIConnectionError:
    """What a transport's failure is called."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return APIConnectionError(
            f"Nothing answers at {base_url}; start it with 'orfeon serve' or correct the address."
        )
    if isinstance(error, httpx.TimeoutException):
        return APITimeoutError(f"{base_url} did not answer in time.")
    return APIConnectionError(f"The connection to {base_url} broke.")
