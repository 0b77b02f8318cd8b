"""Large tensors through memory that service and server share, where both are on one machine."""

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from services.runtime.triton.failures import is_away

log = logging.getLogger(__name__)

#: Below so many bytes a message is no slower.
LEAST_BYTES = 1 << 20
#: Where Linux keeps what `shm_open` opens.
_FOLDER = Path("/dev/shm")
#: Seconds after which a server that does not give back what it was lent is asked no more.
_PATIENCE = 600.0
#: Seconds before it is asked again, twice as many each time, and how many at most.
_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Client(Protocol):
    """What is needed of tritonclient's. Both raise `InferenceServerException`."""

    async def register_system_shared_memory(
        self, name: str, key: str, byte_size: int, *, client_timeout: float
    ) -> None:
        """Has the server map the memory of that key."""

    async def unregister_system_shared_memory(self, name: str, *, client_timeout: float) -> None:
        """Has the server forget a region. It is no error if it has none of that name."""


class Lender:
    """Lends memory to the server of a client, and has it given back.

    A server may keep what it was lent for as long as it works on a request that reads it, also
    where nobody waits for the answer: Triton 2.51 refuses to give it back meanwhile. So it is asked
    again and again, for `_PATIENCE` seconds at most, and no request waits for that. `seconds`
    bounds one call.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        #: The calls that go on where their request has ended.
        self.tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lent(
        self, tensors: Sequence[tuple[InferInput, NDArray[np.generic]]]
    ) -> AsyncIterator[None]:
        """Has the inputs read their arrays from shared memory, which is there for the block.

        What there is no room for travels in the message. The name is unguessable, and gone as soon
        as the server has the memory, so that none is left over by whoever is killed.
        """
        loans: list[tuple[str, asyncio.Task[None]]] = []
        try:
            for tensor, array in tensors:
                name = f"orfeon-{os.getpid()}-{uuid.uuid4().hex}"
                try:
                    path = _written(name, array)
                except OSError as error:
                    log.warning("no room in shared memory", extra={"why": error.strerror})
                    tensor.set_data_from_numpy(array)
                    continue
                taking = self._apart(
                    self._client.register_system_shared_memory(
                        name, f"/{name}", array.nbytes, client_timeout=self._seconds
                    )
                )
                loans.append((name, taking))
                try:
                    await asyncio.wait([taking])
                finally:
                    path.unlink()
                taking.result()
                tensor.set_shared_memory(name, array.nbytes)
            yield
        finally:
            for name, taking in loans:
                self._apart(self._take_back(name, taking))

    async def close(self, seconds: float) -> None:
        """Waits so many seconds at most until all is given back; then nobody asks any more."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=seconds)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _apart(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that is not cancelled with the request that it is of."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _take_back(self, name: str, taking: asyncio.Task[None]) -> None:
        # The server may work on calls in another order than we sent them: one that was given up
        # would register what was given back already.
        await asyncio.gather(taking, return_exceptions=True)
        now = asyncio.get_running_loop().time
        until, pause = now() + _PATIENCE, _PAUSE
        while True:
            try:
                return await self._client.unregister_system_shared_memory(
                    name, client_timeout=self._seconds
                )
            except InferenceServerException as failure:
                if is_away(failure):
                    return None  # A server that has died has forgotten it.
                if now() >= until:
                    log.warning("Triton keeps shared memory", extra={"region": name})
                    return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _written(name: str, array: NDArray[np.generic]) -> Path:
    """The file of new shared memory that holds an array; none is left where there is no room."""
    path = _FOLDER / name
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(np.ascontiguousarray(array).data)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
