"""Large tensors through memory that service and server share, where both are on one machine."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import shared_memory

#: Below so many bytes a message is no slower.
LEAST_BYTES = 1 << 20


@asynccontextmanager
async def lent(
    client: InferenceServerClient, tensors: Sequence[tuple[InferInput, NDArray[np.generic]]]
) -> AsyncIterator[None]:
    """Has the inputs read their arrays from shared memory, which is there for the block.

    The name is unguessable; the memory goes even where the server has died meanwhile.
    """
    handles = []
    names = []
    try:
        for tensor, array in tensors:
            name = f"orfeon-{uuid.uuid4().hex}"
            handle = shared_memory.create_shared_memory_region(name, f"/{name}", array.nbytes)
            handles.append(handle)
            shared_memory.set_shared_memory_region(handle, [array])
            await client.register_system_shared_memory(name, f"/{name}", array.nbytes)
            names.append(name)
            tensor.set_shared_memory(name, array.nbytes)
        yield
    finally:
        try:
            for name in names:
                await client.unregister_system_shared_memory(name)
        finally:
            for handle in handles:
                shared_memory.destroy_shared_memory_region(handle)
