"""Sends calls: the only difference between the sync and the async client."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import httpx

from orfeon.calls import Call, connection_error, delay_before_retry

T = TypeVar("T")


class Transport:
    """Sends calls and waits for the answers."""

    def __init__(
        self, client: httpx.Client, retries: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.client = client
        self._retries = retries
        self._sleep = sleep

    def send(self, call: Call[T]) -> T:
        """The answer to a call. Raises `OrfeonError`."""
        with self.stream(call) as response:
            try:
                response.read()
            except httpx.TransportError as error:
                raise connection_error(error, self.client.base_url) from error
            return call.answer(response)

    @contextmanager
    def stream(self, call: Call[T]) -> Iterator[httpx.Response]:
        """The response while it is still arriving. Raises `OrfeonError` for an error status."""
        attempt = 0
        while True:
            try:
                with call.request(self.client) as request:
                    response = self.client.send(request, stream=True)
            except httpx.TransportError as error:
                delay = delay_before_retry(call, error, attempt)
                if delay is None or attempt >= self._retries:
                    raise connection_error(error, self.client.base_url) from error
            else:
                delay = delay_before_retry(call, response, attempt) if response.is_error else None
                if delay is None or attempt >= self._retries:
                    break
                response.close()
            self._sleep(delay)
            attempt += 1
        try:
            if response.is_error:
                response.read()
                call.answer(response)
            yield response
        except httpx.TransportError as error:
            raise connection_error(error, self.client.base_url) from error
        finally:
            response.close()


class AsyncTransport:
    """Sends calls and awaits the answers."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        retries: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.client = client
        self._retries = retries
        self._sleep = sleep

    async def send(self, call: Call[T]) -> T:
        """The answer to a call. Raises `OrfeonError`."""
        async with self.stream(call) as response:
            try:
                await response.aread()
            except httpx.TransportError as error:
                raise connection_error(error, self.client.base_url) from error
            return call.answer(response)

    @asynccontextmanager
    async def stream(self, call: Call[T]) -> AsyncIterator[httpx.Response]:
        """The response while it is still arriving. Raises `OrfeonError` for an error status."""
        attempt = 0
        while True:
            try:
                with call.request(self.client) as request:
                    response = await self.client.send(request, stream=True)
            except httpx.TransportError as error:
                delay = delay_before_retry(call, error, attempt)
                if delay is None or attempt >= self._retries:
                    raise connection_error(error, self.client.base_url) from error
            else:
                delay = delay_before_retry(call, response, attempt) if response.is_error else None
                if delay is None or attempt >= self._retries:
                    break
                await response.aclose()
            await self._sleep(delay)
            attempt += 1
        try:
            if response.is_error:
                await response.aread()
                call.answer(response)
            yield response
        except httpx.TransportError as error:
            raise connection_error(error, self.client.base_url) from error
        finally:
            await response.aclose()
