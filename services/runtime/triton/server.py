"""A Triton server as the threads of a service call it."""

import asyncio
import contextlib
import itertools
import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Mapping,
    Sequence,
)
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from services.runtime import tracing
from services.runtime.connection import is_cancelled
from services.runtime.context import NORMAL
from services.runtime.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    ModelLoadFailed,
    ModelLoading,
    OrfeonError,
    ServiceUnavailable,
)
from services.runtime.triton.failures import (
    SLOW,
    error_of,
    exception_of,
    has_died,
    is_late,
    load_error_of,
    unsent,
)
from services.runtime.triton.interface import Interface, Tensors
from services.runtime.triton.shared_memory import LEAST_BYTES, Lender
from services.runtime.worker import Cancellation

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A request that kills whoever works on it must not do so for ever.
TRIES = 3
#: Seconds between two questions whether the server is back.
PAUSE = 0.1
#: Seconds for a word to the server whose effect nobody waits for.
HEARD = 1.0
#: Answers of a stream that wait to be read. Beyond, the server is not read from either.
AHEAD = 16

#: What tritonclient has by itself, messages of any size, and a server that is back found soon.
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
]


@dataclass(frozen=True, slots=True)
class Call:
    """How urgent a call is, by our levels; how many seconds it may take; whether it is wanted.

    Without a `timeout` the server's holds: for the answer, or for each of a stream after the first.
    The first may be waited for without end, since others may be at work before it.
    """

    priority: int = NORMAL
    timeout: float | None = None
    cancelled: Cancellation | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sequence, which has a number from 1 on that no other has meanwhile."""

    sequence: int = 0
    first: bool = False
    last: bool = False


#: What belongs to no sequence.
ALONE = Part()


class TritonServer:
    """The server at `url`, `host:port` or `unix:/path` of its gRPC. Safe to use from any thread.

    One connection serves all calls; it belongs to an event loop in a thread of its own.
    `timeout` bounds, in seconds, a call that brings no bound. Where the server is not there, or
    dies on a request, loads and requests wait for up to `patience` seconds for it. With
    `shared_memory` the server is on this machine and reads large tensors from memory that both see.
    """

    def __init__(
        self, url: str, *, timeout: float, patience: float = 20.0, shared_memory: bool = False
    ) -> None:
        self._timeout = timeout
        self._patience = patience
        self._shared_memory = shared_memory
        self._interfaces: dict[str, tuple[Interface, float]] = {}
        self._users: Counter[str] = Counter()
        self._parameters: dict[str, Mapping[str, str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, daemon=True, name="triton")
        self._thread.start()
        self._client = self._run(_client(url))
        self._lender = Lender(self._client, timeout)
        self._locks: dict[str, asyncio.Lock] = {}
        self._lives: Counter[str] = Counter()

    def load(self, name: str, interface: Interface, *, timeout: float) -> None:
        """Has the server load a model, unless it has, and checks that it is the one that is meant.

        Raises `ServiceUnavailable`, `ModelLoadFailed`, and what the model itself raises.
        """
        until = time.monotonic() + self._patience
        self._run(self._use(name, interface, timeout, until))

    def parameters(self, name: str) -> Mapping[str, str]:
        """What the configuration of a loaded model says under `parameters`."""
        return self._parameters[name]

    def unload(self, name: str) -> None:
        """Has the server unload a model, unless it was loaded more often than that; returns when
        its memory is free. A server that has gone holds none.

        Raises `DeadlineExceeded` where the model does not let go.
        """
        with contextlib.suppress(ServiceUnavailable):
            self._run(self._unload(name))

    def infer(self, name: str, tensors: Tensors, call: Call) -> Tensors:
        """What a model answers. Raises `OrfeonError`; `Cancelled` once nobody wants it."""
        [answer] = self.infer_all(name, [tensors], call)
        return answer

    def infer_all(self, name: str, rows: Sequence[Tensors], call: Call) -> list[Tensors]:
        """What a model answers to each of several inputs, asked all at once. Raises as `infer`."""
        end = time.monotonic() + (self._timeout if call.timeout is None else call.timeout)

        async def ask(row: Tensors) -> Tensors:
            return await self._again(name, end, lambda: self._infer(name, row, call, end))

        async def ask_all() -> list[Tensors]:
            # Where one fails, the others are called back.
            async with asyncio.TaskGroup() as asking:
                tasks = [asking.create_task(ask(row)) for row in rows]
            return [task.result() for task in tasks]

        try:
            return self._run(ask_all(), call)
        except* OrfeonError as failed:
            raise failed.exceptions[0] from None

    def step(self, name: str, tensors: Tensors, call: Call, part: Part) -> Tensors:
        """What a model that remembers a sequence answers to its next part. Raises as `infer`, and
        asks but once: a server that was away remembers nothing.
        """
        end = time.monotonic() + (self._timeout if call.timeout is None else call.timeout)

        async def ask() -> Tensors:
            try:
                return await self._infer(name, tensors, call, end, part)
            except InferenceServerException as failure:
                raise error_of(failure) from failure

        return self._run(ask(), call)

    def stream(self, name: str, tensors: Tensors, call: Call) -> Generator[Tensors, None, None]:
        """What a decoupled model answers, one by one. Closing the generator stops the model.

        Raises as `infer` does.
        """
        answers: queue.SimpleQueue[Tensors | None] = queue.SimpleQueue()
        room = asyncio.Semaphore(AHEAD)
        end = math.inf if call.timeout is None else time.monotonic() + call.timeout

        async def follow() -> None:
            begun = False

            async def attempt() -> None:
                nonlocal begun
                async with contextlib.aclosing(self._stream(name, tensors, call, end)) as stream:
                    async for answer in stream:
                        begun = True
                        answers.put(answer)
                        await room.acquire()

            await self._again(name, end, attempt, given_up=lambda: begun)

        running = asyncio.run_coroutine_threadsafe(follow(), self._loop)
        running.add_done_callback(lambda _: answers.put(None))
        if call.cancelled is not None:
            call.cancelled.on_set(running.cancel)
        try:
            while (answer := answers.get()) is not None:
                self._loop.call_soon_threadsafe(room.release)
                yield answer
            _result(running)
        finally:
            running.cancel()

    def close(self) -> None:
        """Ends all calls and the connection. Who still waits gets `Cancelled`."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        calls = asyncio.all_tasks() - {asyncio.current_task()} - self._lender.tasks
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._lender.close(HEARD)
        await self._client.close()

    def _work(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_forever()

    def _run(self, coroutine: Coroutine[Any, Any, T], call: Call | None = None) -> T:
        """Waits for a coroutine of the connection's loop."""
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        if call is not None and call.cancelled is not None:
            call.cancelled.on_set(running.cancel)
        return _result(running)

    async def _use(self, name: str, interface: Interface, seconds: float, until: float) -> None:
        async with self._changing(name):
            config = await self._load(name, interface, seconds, until)
            self._users[name] += 1
        self._interfaces[name] = (interface, seconds)
        self._parameters[name] = {key: each.string_value for key, each in config.parameters.items()}

    async def _renew(self, name: str, end: float, until: float) -> None:
        """Has a model loaded that was, by a server that is there until `until`."""
        interface, seconds = self._interfaces[name]
        try:
            async with asyncio.timeout(None if end == math.inf else _left(end)):
                async with self._changing(name):
                    await self._load(name, interface, seconds, until)
        except TimeoutError:
            raise DeadlineExceeded(SLOW) from None

    def _changing(self, name: str) -> asyncio.Lock:
        """Held by who loads or unloads the model."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def _load(
        self, name: str, interface: Interface, seconds: float, until: float
    ) -> ModelConfig:
        """Has the model loaded, within `seconds`, by a server that is there until `until`."""
        while True:
            try:
                ready = await self._client.is_model_ready(name, client_timeout=self._timeout)
                if not ready:
                    await self._client.load_model(name, client_timeout=seconds)
                answer = await self._client.get_model_config(name, client_timeout=self._timeout)
                break
            except InferenceServerException as failure:
                error = load_error_of(failure, name)
                if type(error) is not ServiceUnavailable or time.monotonic() + PAUSE > until:
                    log.warning("model not loaded by Triton", extra={"model": name})
                    if is_late(failure) and not self._users[name]:
                        await self._countermand(name)
                    raise error from failure
            await asyncio.sleep(PAUSE)
        if difference := interface.difference(answer.config):
            if not ready:
                # It has no lease, so nobody else would.
                await self._let_go(name)
            raise ModelLoadFailed(
                f"The model {name!r} of the Triton server is not the one that is meant: "
                f"{difference}.",
                param="model",
            )
        return answer.config

    async def _countermand(self, name: str) -> None:
        """Has a model unloaded as soon as it is loaded: the server goes on with what we gave up."""
        with contextlib.suppress(InferenceServerException):
            await self._client.unload_model(name, client_timeout=HEARD)

    async def _unload(self, name: str) -> None:
        async with self._changing(name):
            self._users[name] -= 1
            if self._users[name] <= 0:
                del self._users[name]
                await self._let_go(name)

    async def _let_go(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._client.unload_model(name)
                # Which returns before the requests that the model still works on have ended.
                while await self._is_going(name):  # noqa: ASYNC110 - nothing could set an event.
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            raise DeadlineExceeded(SLOW) from None
        except InferenceServerException as failure:
            raise error_of(failure) from failure

    async def _is_going(self, name: str) -> bool:
        index = await self._client.get_model_repository_index()
        return any(each.name == name and each.state == "UNLOADING" for each in index.models)

    async def _again(
        self,
        name: str,
        end: float,
        attempt: Callable[[], Awaitable[T]],
        given_up: Callable[[], bool] = lambda: False,
    ) -> T:
        """What an attempt returns, tried again where the server, or the model there, was away."""
        until = 0.0
        for attempts in itertools.count(1):
            life = self._lives[name]
            try:
                return await attempt()
            except InferenceServerException as failure:
                error = error_of(failure)
                if isinstance(error, Internal) and time.monotonic() >= end:
                    # So gRPC's asyncio tells of a time that was over before the call was sent.
                    raise DeadlineExceeded(SLOW) from failure
                away = type(error) in (ServiceUnavailable, ModelLoading)
                if not away or attempts == TRIES or given_up():
                    raise error from failure
                if has_died(failure):
                    await self._bury(name, life)
            # The server is a new one, or another who shares it has had the model unloaded.
            until = until or min(end, time.monotonic() + self._patience)
            await self._renew(name, end, until)
        raise AssertionError("unreachable")

    async def _bury(self, name: str, life: int) -> None:
        """Has a model unloaded whose process has died, once for all whom it has failed."""
        async with self._changing(name):
            if self._lives[name] == life:
                self._lives[name] += 1
                with contextlib.suppress(InferenceServerException):
                    await self._client.unload_model(name, client_timeout=self._timeout)

    async def _infer(
        self, name: str, tensors: Tensors, call: Call, end: float, part: Part = ALONE
    ) -> Tensors:
        async with self._inputs(tensors) as inputs:
            left = _left(end)
            result = await self._client.infer(
                name,
                inputs,
                sequence_id=part.sequence,
                sequence_start=part.first,
                sequence_end=part.last,
                priority=_level(call),
                timeout=_microseconds(left),
                client_timeout=left,
                headers=_trace(),
            )
        return _outputs(result)

    async def _stream(
        self, name: str, tensors: Tensors, call: Call, end: float
    ) -> AsyncGenerator[Tensors, None]:
        async with self._inputs(tensors) as inputs:
            bounded = end < math.inf
            left = _left(end) if bounded else None
            request = {
                "model_name": name,
                "inputs": inputs,
                "priority": _level(call),
                "timeout": None if left is None else _microseconds(left),
            }

            async def requests() -> AsyncIterator[dict[str, Any]]:
                yield request

            answers = self._client.stream_infer(requests(), stream_timeout=left, headers=_trace())
            failed: InferenceServerException | None = None
            patience: float | None = None
            try:
                while True:
                    async with asyncio.timeout(patience):
                        # No pair, of which older Pythons make a SystemError (gh-128078).
                        answer = await anext(answers, None)
                    if answer is None:
                        break
                    result, failure = answer
                    patience = None if bounded else self._timeout
                    if failure is None:
                        yield _outputs(result)
                    else:
                        # The end is on its way. Who leaves before it has come leaves a request
                        # behind that Triton 2.51 never lets go: its model cannot be unloaded.
                        failed = failure
            except TimeoutError:
                raise DeadlineExceeded(SLOW) from None
            except grpc.aio.AioRpcError as lost:
                raise exception_of(lost) from lost
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                raise unsent(late=time.monotonic() >= end) from None
            finally:
                answers.cancel()
            if failed is not None:
                raise failed

    @contextlib.asynccontextmanager
    async def _inputs(self, tensors: Tensors) -> AsyncIterator[list[InferInput]]:
        inputs, large = [], []
        for name, array in tensors.items():
            batch = np.ascontiguousarray(array)[np.newaxis]
            tensor = InferInput(name, batch.shape, np_to_triton_dtype(batch.dtype))
            if self._shared_memory and array.nbytes >= LEAST_BYTES and array.dtype != np.object_:
                large.append((tensor, batch))
            else:
                tensor.set_data_from_numpy(batch)
            inputs.append(tensor)
        async with self._lender.lent(large):
            yield inputs


async def _client(url: str) -> InferenceServerClient:
    return InferenceServerClient(url, channel_args=_CHANNEL)


def _result(running: "Future[T]") -> T:
    try:
        return running.result()
    except CancelledError:
        raise Cancelled("The request was cancelled.") from None


def _level(call: Call) -> int:
    """Triton's levels begin at 1; its 0 means the default."""
    return call.priority + 1


def _trace() -> dict[str, str]:
    # Triton makes spans for whoever names a trace, be it one that is not kept.
    return tracing.outgoing() if tracing.trace_id() else {}


def _left(end: float) -> float:
    """Seconds until then; what has none left fails at once."""
    return max(1e-6, end - time.monotonic())


def _microseconds(seconds: float) -> int:
    """At least one: 0 would mean no bound."""
    return max(1, int(seconds * 1e6))


def _outputs(result: InferResult) -> dict[str, NDArray[np.generic]]:
    """Every output, without the dimension of the batch."""
    outputs = result.get_response().outputs
    return {each.name: result.as_numpy(each.name)[0] for each in outputs}
