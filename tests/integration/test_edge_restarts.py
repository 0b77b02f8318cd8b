"""Gateways that are restarted, or killed, behind a real Traefik with the chart's configuration."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.keystore import KeyStore
from tests.fakes.gateway import BODY, CHAT, eventually
from tests.fakes.ports import free_port
from tests.fakes.script import Script
from tests.fakes.upstreams import serving
from tests.integration.edge import Edge, Servers, traefik

LYRICS = "/v1/lyrics"
VERSES = {"genre": "rock"}


@dataclass
class Gateway:
    """A gateway in a process of its own."""

    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Starts it, and waits until it is ready."""
        told = {"ORFEON_GATEWAY_PORT": str(self.port), **self.environment}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", env={**os.environ, **told}
        )
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                try:
                    return (await client.get(f"http://{self.address}/healthz")).is_success
                except httpx.TransportError:
                    return False

            await eventually(ready, 60)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops it, and waits for its end."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        await asyncio.wait_for(self.process.wait(), 60)


def servers_of(*gateways: Gateway) -> Servers:
    return {"http": [each.address for each in gateways], "grpc": []}


@dataclass
class Cluster:
    """Two gateways with one database behind Traefik."""

    edge: Edge
    gateways: Sequence[Gateway]
    client: httpx.AsyncClient
    chat: Script

    async def leave(self, gateway: Gateway) -> None:
        """As a cluster does it: takes a pod from its Service, then tells it to stop."""
        others = [each for each in self.gateways if each is not gateway]
        # In the pod this is what preStopSeconds waits for.
        await self.edge.pointed(servers_of(*others))
        await gateway.stop()

    async def come_back(self, gateway: Gateway) -> None:
        """Starts it, and has it in the Service once it is ready."""
        await gateway.start()
        await self.edge.pointed(servers_of(*self.gateways))


@asynccontextmanager
async def cluster(home: Path) -> AsyncIterator[Cluster]:
    keys = KeyStore(f"sqlite:///{home}/orfeon.db")
    _, secret = keys.create("test")
    keys.close()
    chat, lyrics = f"unix:{home}/chat.sock", f"unix:{home}/lyrics.sock"
    told = {
        "ORFEON_HOME": str(home),
        "ORFEON_GATEWAY_HOST": "127.0.0.1",
        "ORFEON_GATEWAY_GRPC_PORT": "0",
        "ORFEON_GATEWAY_UPSTREAMS__CHAT": chat,
        "ORFEON_GATEWAY_UPSTREAMS__LYRICS": lyrics,
        "ORFEON_LOG_LEVEL": "WARNING",
    }
    script = Script()
    gateways = [Gateway(told), Gateway(told)]
    try:
        async with serving(chat, script), serving(lyrics, Script()):
            await asyncio.gather(*(gateway.start() for gateway in gateways))
            # What is asked for here comes all from one address.
            async with (
                traefik(home, servers_of(*gateways), rateLimit={"average": 0}) as edge,
                edge.http(headers={"authorization": f"Bearer {secret}"}) as client,
            ):
                yield Cluster(edge, gateways, client, script)
    finally:
        for gateway in gateways:
            if gateway.process is not None:
                await gateway.stop(signal.SIGKILL)


async def test_restarts_one_after_the_other_lose_no_request(tmp_path: Path) -> None:
    over = asyncio.Event()
    async with cluster(tmp_path) as cl, asyncio.TaskGroup() as load:
        script = cl.chat
        script.gate = asyncio.Semaphore(0)
        streams = [load.create_task(_streamed(cl.client)) for _ in range(6)]
        asked = [load.create_task(_ask_until(over, cl.client)) for _ in range(3)]

        async def all_begun() -> bool:
            return len(script.requests) == len(streams)

        await eventually(all_begun, 30)
        first, second = cl.gateways
        leaving = load.create_task(cl.leave(first))

        async def told_to_stop() -> bool:
            return not await _listens(first)

        # It takes nothing new any more, and still has streams that have only begun.
        await eventually(told_to_stop, 30)
        for _ in range(len(streams) * len(script.pieces)):
            script.gate.release()
        assert await asyncio.gather(*streams) == ["".join(script.pieces)] * len(streams)
        await leaving
        await cl.come_back(first)
        # Now all depends on the one that has been restarted.
        await cl.leave(second)
        over.set()
    answers = [status for each in asked for status in each.result()]
    assert len(answers) > 20
    assert set(answers) == {httpx.codes.OK}


async def test_who_cannot_be_reached_costs_no_request(tmp_path: Path) -> None:
    """A gateway that died a moment ago is still in the list: nothing was sent to it, so another may
    be asked, whatever the method."""
    async with cluster(tmp_path) as cl:
        await cl.gateways[0].stop(signal.SIGKILL)
        # One by one, so that it is their turn with the dead one for certain.
        for number in range(1, 11):
            assert (await cl.client.post(CHAT, json=BODY)).status_code == httpx.codes.OK
            # Worked on once.
            assert len(cl.chat.requests) == number


async def _streamed(client: httpx.AsyncClient) -> str:
    """What was written, streamed to its end."""
    asked = {**BODY, "stream": True}
    answer = await client.post(CHAT, json=asked, timeout=120)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    return "".join(choice["delta"].get("content") or "" for c in chunks for choice in c["choices"])


async def _ask_until(over: asyncio.Event, client: httpx.AsyncClient) -> list[int]:
    """Asks for lyrics again and again; how each was answered."""
    answers = []
    while not over.is_set():
        answers.append((await client.post(LYRICS, json=VERSES, timeout=60)).status_code)
        # Leaves the machine some time for gateways to start.
        await asyncio.sleep(0.1)
    return answers


async def _listens(gateway: Gateway) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    except OSError:
        return False
    writer.close()
    return True
