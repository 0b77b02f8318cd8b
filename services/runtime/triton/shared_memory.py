"""Large tensors through memory that service and server share, where both are on one machine."""

import asyncio
import contextlib
import logging
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

log = logging.getLogger(__name__)

#: Below so many bytes a message is no slower.
LEAST_BYTES = 1 << 20
#: Where Linux keeps what `shm_open` opens.
_FOLDER = Path("/dev/shm")


@asynccontextmanager
async def lent(
    client: InferenceServerClient,
    tensors: Sequence[tuple[InferInput, NDArray[np.generic]]],
    seconds: float,
) -> AsyncIterator[None]:
    """Has the inputs read their arrays from shared memory, which is there for the block.

    What there is no room for travels in the message. The name is unguessable, and gone as soon as
    the server has the memory, so that none is left over by whoever is killed. `seconds` bounds
    what the server may take to hear of the memory.
    """
    names: list[str] = []
    try:
        for tensor, array in tensors:
            name = f"orfeon-{os.getpid()}-{uuid.uuid4().hex}"
            try:
                path = _written(name, array)
            except OSError as error:
                log.warning("no room in shared memory", extra={"why": error.strerror})
                tensor.set_data_from_numpy(array)
                continue
            names.append(name)
            try:
                await client.register_system_shared_memory(
                    name, f"/{name}", array.nbytes, client_timeout=seconds
                )
            finally:
                path.unlink()
            tensor.set_shared_memory(name, array.nbytes)
        yield
    finally:
        if names:
            # In a task of its own, which ends even where this one is cancelled once more.
            await asyncio.shield(asyncio.ensure_future(_given_back(client, names, seconds)))


async def _given_back(client: InferenceServerClient, names: Sequence[str], seconds: float) -> None:
    for name in names:
        # A server that has died has forgotten it.
        with contextlib.suppress(InferenceServerException):
            await client.unregister_system_shared_memory(name, client_timeout=seconds)


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
