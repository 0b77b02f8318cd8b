"""The product behind a real Traefik with the chart's configuration, asked as a user asks it."""

from pathlib import Path
from typing import Any

import grpc
import httpx
import openai

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from tests.e2e.conftest import Product
from tests.integration.edge import HOST, traefik

QUESTION: Any = [{"role": "user", "content": "Tell me about the sea."}]


async def test_chat_comes_over_https_while_it_is_written(product: Product, tmp_path: Path) -> None:
    servers = {"http": [product.url.removeprefix("http://")], "grpc": [product.grpc]}
    async with (
        traefik(tmp_path, servers) as edge,
        openai.AsyncOpenAI(
            base_url=f"{edge.url}/v1",
            api_key=product.key,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=edge.trust()),
        ) as client,
        httpx.AsyncClient(base_url=product.url, timeout=60) as directly,
    ):
        key = {"authorization": f"Bearer {product.key}"}
        stream = await client.chat.completions.create(
            model="smollm2-135m-instruct",
            messages=QUESTION,
            max_tokens=400,
            stream=True,
            seed=1,
            # The end of an answer.
            logit_bias={"2": -100},
        )
        pieces = 0
        async for chunk in stream:
            if not chunk.choices or not chunk.choices[0].delta.content:
                continue
            pieces += 1
            if pieces == 1:
                queue = (await directly.get("/v1/queue", headers=key)).json()["data"]
                # Whoever held the answer back would show its beginning when it has ended.
                assert "running" in [each["state"] for each in queue]
        assert pieces > 1


async def test_grpc_comes_over_https(product: Product, tmp_path: Path) -> None:
    servers = {"http": [product.url.removeprefix("http://")], "grpc": [product.grpc]}
    async with traefik(tmp_path, servers) as edge:
        address = f"{HOST}:{edge.port}"
        async with grpc.aio.secure_channel(address, edge.credentials()) as channel:
            stub: Any = chat_pb2_grpc.ChatServiceStub(channel)
            asked = chat_pb2.ChatCompletionRequest(
                messages=[
                    chat_pb2.Message(
                        role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart(text="What is 2+2?")]
                    )
                ],
                options=chat_pb2.GenerationOptions(max_tokens=8),
            )
            key = (("authorization", f"Bearer {product.key}"),)
            answer = await stub.ChatCompletion(asked, metadata=key, timeout=60)
    assert answer.choices[0].text
