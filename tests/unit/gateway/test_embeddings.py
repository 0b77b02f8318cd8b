import asyncio
import base64
import json
import struct
from collections.abc import Sequence

import pytest

from gateway.routes.embeddings import written
from orfeon.api.chat.v1 import chat_pb2


def embedded(vectors: Sequence[Sequence[float]]) -> chat_pb2.EmbedResponse:
    found = [chat_pb2.Embedding(values=vector) for vector in vectors]
    return chat_pb2.EmbedResponse(model='a "model"', embeddings=found, prompt_tokens=3)


@pytest.mark.parametrize("packed", [False, True])
async def test_vectors_are_written_as_openai_has_them(packed: bool) -> None:
    content = json.loads(await written(embedded([[1.0, 0.0], [0.5, -0.25]]), packed=packed))
    rows = content.pop("data")
    assert content == {
        "object": "list",
        "model": 'a "model"',
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    assert [(row["object"], row["index"]) for row in rows] == [("embedding", 0), ("embedding", 1)]
    vector = rows[1]["embedding"]
    if packed:
        vector = list(struct.unpack("<2f", base64.b64decode(vector)))
    assert vector == [0.5, -0.25]


async def test_others_have_their_turn_between_vectors() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await written(embedded([[1.0]] * 100), packed=False)
    task.cancel()
    assert turns >= 100
