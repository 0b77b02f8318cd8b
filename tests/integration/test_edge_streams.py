"""Streams through a real Traefik with the chart's configuration: at once, and to their end."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import grpc
from websockets.asyncio.client import ClientConnection, connect

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from tests.fakes.emotion import SECOND
from tests.fakes.gateway import BODY, CHAT
from tests.fakes.rpc import ASKED, Rpc, dialled, rpc_staged
from tests.integration.edge import HOST, Servers, traefik

FOLLOW = "/v1/audio/classifications/stream"
#: Seconds. Traefik gives a request 60 to be read, unless told otherwise, and all that a gRPC stream
#: sends is one request.
LASTING = 78
#: Seconds between two pieces of sound: nobody may take a stream for idle.
PAUSE = 3


def servers_of(rpc: Rpc) -> Servers:
    return {"http": [rpc.stage.url.removeprefix("http://")], "grpc": [rpc.address]}


async def test_chat_arrives_piece_by_piece(tmp_path: Path) -> None:
    """No piece is written before the one before it has arrived: whoever held it back would wait."""
    async with rpc_staged(tmp_path) as rpc, traefik(tmp_path, servers_of(rpc)) as edge:
        script = rpc.stage.script
        script.pieces = [f"word{number} " for number in range(20)]
        # The answer begins with the first.
        script.gate = asyncio.Semaphore(1)
        key = {"authorization": f"Bearer {rpc.stage.secret}"}
        async with (
            edge.http(headers=key) as client,
            client.stream("POST", CHAT, json={**BODY, "stream": True}) as answer,
            asyncio.timeout(60),
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            for piece in script.pieces:
                async for line in lines:
                    if piece in line:
                        break
                script.gate.release()
            rest = [line async for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        told = await edge.metrics()
    name = "traefik_service_requests_total"
    (count,) = (
        line for line in told.splitlines() if line.startswith(f"{name}{{") and "POST" in line
    )
    assert 'service="prod-orfeon-gateway-http@file"' in count


async def test_work_ends_when_its_client_has_left(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path) as rpc, traefik(tmp_path, servers_of(rpc)) as edge:
        script = rpc.stage.script
        script.hold = True
        key = {"authorization": f"Bearer {rpc.stage.secret}"}
        asked = {**BODY, "stream": True}
        async with (
            edge.http(headers=key) as client,
            client.stream("POST", CHAT, json=asked) as answer,
        ):
            await anext(answer.aiter_lines())
            assert not script.cancelled.is_set()
        await asyncio.wait_for(script.cancelled.wait(), 20)
        script.cancelled.clear()
        async with dialled(f"{HOST}:{edge.port}", edge.credentials()) as channel:
            stub: Any = chat_pb2_grpc.ChatServiceStub(channel)
            call = stub.StreamChatCompletion(
                chat_pb2.StreamChatCompletionRequest(completion=ASKED), metadata=rpc.key
            )
            await call.read()
            call.cancel()
            await asyncio.wait_for(script.cancelled.wait(), 20)


async def test_a_socket_and_a_grpc_stream_both_outlive_the_minute(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path) as rpc, traefik(tmp_path, servers_of(rpc)) as edge:
        key = {"authorization": f"Bearer {rpc.stage.secret}"}
        address = f"{HOST}:{edge.port}"
        async with (
            connect(f"wss://{address}{FOLLOW}", ssl=edge.trust(), additional_headers=key) as socket,
            grpc.aio.secure_channel(address, edge.credentials()) as channel,
        ):
            by_socket = asyncio.create_task(_follow_socket(socket))
            by_grpc = asyncio.create_task(_follow_grpc(channel, rpc))
            # The first to fail ends the test: the other would go on for a minute.
            async with asyncio.TaskGroup() as both:
                for task in (by_socket, by_grpc):
                    both.create_task(asyncio.wait_for(task, LASTING + 30))
        assert min(by_socket.result(), by_grpc.result()) > 75


async def _follow_socket(socket: ClientConnection) -> float:
    """Seconds for which it was followed, each piece of sound answered before the next is sent."""
    began = time.monotonic()
    assert json.loads(await socket.recv())["type"] == "session.created"
    while time.monotonic() - began < LASTING:
        await socket.send(bytes(SECOND))
        await socket.recv()
        await asyncio.sleep(PAUSE)
    lasted = time.monotonic() - began
    await socket.send(json.dumps({"type": "input_audio.done"}))
    last = [json.loads(message)["type"] async for message in socket][-1]
    assert last == "session.finished"
    return lasted


async def _follow_grpc(channel: grpc.aio.Channel, rpc: Rpc) -> float:
    began = time.monotonic()
    stub: Any = emotion_pb2_grpc.EmotionServiceStub(channel)
    call = stub.Follow(metadata=rpc.key)
    await call.write(emotion_pb2.FollowRequest(config=emotion_pb2.FollowConfig(sample_rate=8000)))
    assert (await call.read()).HasField("started")
    while time.monotonic() - began < LASTING:
        await call.write(emotion_pb2.FollowRequest(audio=bytes(SECOND)))
        await call.read()
        await asyncio.sleep(PAUSE)
    lasted = time.monotonic() - began
    await call.done_writing()
    last = message = await call.read()
    while message is not grpc.aio.EOF:
        last, message = message, await call.read()
    assert last.HasField("finished")
    return lasted
