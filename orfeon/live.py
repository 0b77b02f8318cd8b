"""Live streams: samples to the gateway, and what is heard in them back.

They need the package `websockets`: `pip install 'orfeon[live]'`.
"""

import json
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import urlencode

import httpx

from orfeon.calls import connection_error, retry_after
from orfeon.errors import APIConnectionError, OrfeonError, error_of, error_of_event
from orfeon.events import unknown
from orfeon.voices import LiveEvent, SessionFinished, live_event

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as AsyncSocket
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import ClientConnection as Socket

#: A message carries this much at most; the gateway takes four times as much.
_MESSAGE_BYTES = 256 * 1024
_END = json.dumps({"type": "input_audio.done"})


class ListenWish(TypedDict, total=False):
    """What a live stream is: `sample_rate` samples a second, 16,000 if not said, of `channels`."""

    model: str | None
    sample_rate: int
    channels: int
    priority: int | None


class Live:
    """A live stream that is open. To iterate it gives what is heard, until all has been.

    Samples may be sent by one thread while another iterates. Every method raises `OrfeonError`.
    """

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket

    def send(self, samples: bytes) -> None:
        """Sends samples: signed 16-bit, little-endian, channels interleaved."""
        with _translated():
            for piece in _messages(samples):
                self._socket.send(piece)

    def finish(self) -> None:
        """Says that no more samples come."""
        with _translated():
            self._socket.send(_END)

    @contextmanager
    def fed(self, pieces: Iterable[bytes]) -> Iterator["Live"]:
        """Sends pieces of samples and the end, from a thread of its own, during the block."""

        def feed() -> None:
            try:
                for piece in pieces:
                    self.send(piece)
                self.finish()
            except OrfeonError:
                return  # Whoever iterates is told why the stream has ended.

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield self
        finally:
            self._socket.close()
            feeder.join(1.0)

    def __iter__(self) -> Iterator[LiveEvent]:
        with _translated():
            while True:
                event = _read(self._socket.recv())
                yield event
                if isinstance(event, SessionFinished):
                    return


class AsyncLive:
    """`Live` for asyncio."""

    def __init__(self, socket: "AsyncSocket") -> None:
        self._socket = socket

    async def send(self, samples: bytes) -> None:
        """See `Live.send`."""
        with _translated():
            for piece in _messages(samples):
                await self._socket.send(piece)

    async def finish(self) -> None:
        """See `Live.finish`."""
        with _translated():
            await self._socket.send(_END)

    async def feed(self, pieces: AsyncIterable[bytes]) -> None:
        """Sends pieces of samples and the end: for a task beside the one that iterates."""
        async for piece in pieces:
            await self.send(piece)
        await self.finish()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        with _translated():
            while True:
                event = _read(await self._socket.recv())
                yield event
                if isinstance(event, SessionFinished):
                    return


@contextmanager
def listening(client: httpx.Client, **wish: Unpack[ListenWish]) -> Iterator[Live]:
    """Opens a stream where `client` sends its requests. Raises `OrfeonError`."""
    _check_installed()
    from websockets.sync.client import connect

    with ExitStack() as opened:
        with _opening(client.base_url):
            socket = opened.enter_context(connect(**_options(client, wish)))
        yield Live(socket)


@asynccontextmanager
async def listening_async(
    client: httpx.AsyncClient, **wish: Unpack[ListenWish]
) -> AsyncIterator[AsyncLive]:
    """The same for asyncio."""
    _check_installed()
    from websockets.asyncio.client import connect

    async with AsyncExitStack() as opened:
        with _opening(client.base_url):
            socket = await opened.enter_async_context(connect(**_options(client, wish)))
        yield AsyncLive(socket)


def _check_installed() -> None:
    try:
        import websockets  # noqa: F401
    except ImportError as error:
        raise OrfeonError(
            "Live streams need the package websockets: pip install 'orfeon[live]'."
        ) from error


def _options(client: httpx.Client | httpx.AsyncClient, wish: ListenWish) -> dict[str, Any]:
    asked = urlencode({name: value for name, value in wish.items() if value is not None})
    url = client.base_url.join("audio/classifications/stream").copy_with(
        scheme="wss" if client.base_url.scheme == "https" else "ws", query=asked.encode()
    )
    named = ("authorization", "user-agent")
    headers = {name: client.headers[name] for name in named if name in client.headers}
    return {
        "uri": str(url),
        "additional_headers": headers,
        "user_agent_header": None,
        "open_timeout": client.timeout.connect,
        "compression": None,
    }


@contextmanager
def _opening(address: httpx.URL) -> Iterator[None]:
    """Tells in our words why a stream was not opened."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    try:
        yield
    except InvalidStatus as refused:
        raise _refusal(refused) from refused
    except InvalidHandshake as error:
        raise OrfeonError("The server's answer is not one of Orfeón's gateway.") from error
    except (OSError, TimeoutError) as error:
        raise connection_error(httpx.ConnectError(str(error)), address) from error


def _refusal(refused: "InvalidStatus") -> OrfeonError:
    answered = refused.response
    response = httpx.Response(
        answered.status_code,
        headers=list(answered.headers.raw_items()),
        content=bytes(answered.body),
    )
    return error_of(response, retry_after(response))


@contextmanager
def _translated() -> Iterator[None]:
    """Makes the end of a connection, which was not the end of the stream, an `OrfeonError`."""
    from websockets.exceptions import ConnectionClosed

    try:
        yield
    except ConnectionClosed as closed:
        raise APIConnectionError("The stream broke off; open another.") from closed


def _read(message: str | bytes) -> LiveEvent:
    try:
        event = json.loads(message)
        if event["type"] != "error":
            return live_event(event)
        body = dict(event["error"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise unknown() from error
    raise error_of_event(body, event.get("retry_after"))


def _messages(samples: bytes) -> Iterator[bytes]:
    for start in range(0, len(samples), _MESSAGE_BYTES):
        yield samples[start : start + _MESSAGE_BYTES]
