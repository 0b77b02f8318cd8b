"""The channel to one service, for how long it has been down, and how calls on it end."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any, TypeVar

import grpc

from services.runtime.status import error_of, error_of_code

T = TypeVar("T")

_OPTIONS = [
    # A restarted service is found again within 0.3 s, and one that swallows packets given up on
    # after a second: gRPC's own defaults are two minutes and twenty seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 300),
    # The services are ours, and answers have bounds of their own: vectors of many texts are large.
    ("grpc.max_receive_message_length", -1),
    # In a cluster a service's name stands for all of its pods: use each, and notice new ones soon.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # The services are ours; a proxy in the environment is for the world outside.
    ("grpc.enable_http_proxy", 0),
]


#: How often a connection is looked at, seconds.
_LOOK_EVERY = 0.25


class Connection:
    """A channel that connects by itself, again and again. Made in a running event loop."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._clock = clock
        self._lost: float | None = -math.inf
        self._watcher = asyncio.create_task(self._watch())

    def lost_for(self) -> float:
        """Seconds since the service could last be reached: 0 while it can, inf if never."""
        self._look()
        return 0.0 if self._lost is None else self._clock() - self._lost

    def answered(self) -> None:
        """The service has answered: it could be reached, be it between two looks alone."""
        self._lost = None

    async def close(self) -> None:
        """Closes the channel, and with it the calls that still run."""
        self._watcher.cancel()
        await asyncio.wait([self._watcher])
        await self.channel.close()

    async def _watch(self) -> None:
        # gRPC can tell of changes by itself, but not without leaving a call open that its
        # closing channel may never end.
        while True:
            self._look()
            await asyncio.sleep(_LOOK_EVERY)

    def _look(self) -> None:
        if self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            self._lost = None
        elif self._lost is None:
            self._lost = self._clock()


async def answer(call: Awaitable[T]) -> T:
    """The message of a unary call; raises `OrfeonError`. Leaving it cancels the call."""
    try:
        return await call
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
    except asyncio.CancelledError:
        raise _ended(call) from None
    finally:
        cancel(call)


async def answers(call: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """The messages of a streaming call; raises `OrfeonError`. Closing it cancels the call."""
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
    except asyncio.CancelledError:
        raise _ended(call) from None
    finally:
        cancel(call)


def _ended(call: Any) -> BaseException:
    """What it means that a call looks cancelled.

    gRPC's asyncio cancels a call by itself where the service is gone, or the time over, as the last
    message is sent.
    """
    if is_cancelled():
        return asyncio.CancelledError()
    late = call.time_remaining() == 0
    code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.UNAVAILABLE
    return error_of_code(code)


def is_cancelled() -> bool:
    """Whether somebody has cancelled the task that asks."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def cancel(call: Any) -> None:
    """Ends a call, if it has not ended by itself."""
    call.cancel()
