"""How pages call the gateway: as whoever is signed in, with errors as sentences."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import gradio as gr
import httpx
import httpx2
from openai import APIError, AsyncOpenAI, DefaultAsyncHttpxClient

from orfeon import AsyncOrfeon
from orfeon.errors import OrfeonError, PermissionDeniedError
from services.studio.failures import kind_of, sentence_of, signs_out
from services.studio.sessions import COOKIE, ProviderFailed, Session, Sessions, SignedOut
from services.studio.texts import Texts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The gateway, as somebody signed in: by our client, by OpenAI's, and bare HTTP.

    `http` has the gateway's address and the credential, for what is passed on as it is.
    """

    session: Session
    orfeon: AsyncOrfeon
    openai: AsyncOpenAI
    http: httpx.AsyncClient


class Gateway:
    """The gateway at `url`, whose connections all callers share.

    `timeout` is in seconds. `failed` is told the kind of what fails, as `failures` names it.
    `transport` stands in for the network in tests.
    """

    def __init__(
        self,
        url: str,
        sessions: Sessions,
        timeout: float,
        failed: Callable[[str], None] = lambda kind: None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._sessions = sessions
        self._timeout = timeout
        self._failed = failed
        self._transport = _Shared(transport or httpx.AsyncHTTPTransport(limits=_LIMITS))
        # Whoever asks puts their key in. No proxy of the environment is for the gateway.
        self._openai = AsyncOpenAI(
            base_url=f"{self._url}/v1",
            api_key="-",
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(trust_env=False),
        )

    @asynccontextmanager
    async def caller(self, request: gr.Request, t: Texts) -> AsyncIterator[Caller]:
        """The gateway for an event's handler: what fails in the block is told by `gr.Error`."""
        try:
            async with self.session(self._sessions.get(request.cookies.get(COOKIE))) as caller:
                yield caller
        except gr.Error:
            raise
        except Exception as error:
            self._failed(kind_of(error))
            if not isinstance(error, _EXPECTED):
                log.exception("a page failed")
            raise gr.Error(sentence_of(error, t), print_exception=False) from None

    @asynccontextmanager
    async def session(self, session: Session | None) -> AsyncIterator[Caller]:
        """The gateway for one request of a session. Raises `SignedOut` without one, and in the
        midst of the block where the session ends before it does.

        Whom the gateway no longer lets in is signed out.
        """
        if session is None:
            raise SignedOut
        try:
            async with session.working():
                key = await session.renew()
                async with httpx.AsyncClient(
                    base_url=self._url,
                    headers={"authorization": f"Bearer {key}"},
                    transport=self._transport,
                    timeout=self._timeout,
                ) as http:
                    orfeon = AsyncOrfeon(
                        self._url, key, timeout=self._timeout, transport=self._transport
                    )
                    yield Caller(session, orfeon, self._openai.with_options(api_key=key), http)
        except Exception as error:
            if signs_out(error):
                # A browser asks how an event goes after it has begun: whoever were out by then
                # would hear that the connection was lost, and never why.
                self._sessions.dismiss(session.id)
                asyncio.get_running_loop().call_later(_LAST_WORDS, self._sessions.close, session.id)
            raise

    async def introduce(self, key: str) -> None:
        """Raises `OrfeonError` unless the gateway knows who has this credential."""
        orfeon = AsyncOrfeon(self._url, key, max_retries=0, transport=self._transport)
        # Who may not see the models is known all the same.
        with suppress(PermissionDeniedError):
            await orfeon.models()

    async def is_there(self) -> bool:
        """Whether it answers."""
        client = httpx.AsyncClient(transport=self._transport, timeout=_LOOK_SECONDS)
        try:
            async with client:
                return (await client.get(f"{self._url}/healthz")).is_success
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.end()
        await self._openai.close()


#: Seconds that somebody who is out has left to be told so.
_LAST_WORDS = 5.0
#: What is no fault of this program.
_EXPECTED = (
    OrfeonError,
    APIError,
    httpx.HTTPError,
    httpx2.HTTPError,
    ProviderFailed,
    SignedOut,
)
#: Seconds that the gateway has to say that it is there.
_LOOK_SECONDS = 3
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=20)


class _Shared(httpx.AsyncBaseTransport):
    """Connections that outlive the clients that use them."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)

    async def end(self) -> None:
        await self._transport.aclose()
