"""What the gateway's gRPC adds to a direct call of the service, and its HTTP beside it.

The same mock answers all three at once; the gateway has core 0, mock and load generator share core
1. Rounds alternate direct, gRPC, HTTP, HTTP, gRPC, direct.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc

from bench import mock
from bench.gateway import BODY
from bench.processes import free_port, started, wait_for
from bench.report import Figure, print_figures, spread
from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc

ROUNDS = 5
CALLS = 200
CONCURRENCY = 32
SECONDS = 3.0

ASKED = chat_pb2.ChatCompletionRequest(
    model=mock.MODEL,
    messages=[
        chat_pb2.Message(
            role=chat_pb2.ROLE_USER,
            content=[chat_pb2.ContentPart(text="Say something about foxes and dogs, please.")],
        )
    ],
)

Ask = Callable[[], Awaitable[None]]


async def _latency(ask: Ask) -> float:
    """Median seconds of one call after another."""
    took = []
    await ask()
    for _ in range(CALLS):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def _throughput(ask: Ask) -> float:
    """Calls a second at `CONCURRENCY`, closed loop."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return done / (time.perf_counter() - began)


def _by_grpc(channel: grpc.aio.Channel, key: str) -> Ask:
    stub: Any = chat_pb2_grpc.ChatServiceStub(channel)
    metadata = (("authorization", f"Bearer {key}"),)

    async def ask() -> None:
        answer = await stub.ChatCompletion(ASKED, metadata=metadata)
        if answer.choices[0].text != mock.ANSWER:
            raise RuntimeError(f"answered {answer}")

    return ask


def _by_http(session: aiohttp.ClientSession, url: str, key: str) -> Ask:
    headers = {"authorization": f"Bearer {key}"}

    async def ask() -> None:
        async with session.post(url, json=BODY, headers=headers) as answer:
            body = await answer.json()
            if answer.status != 200 or body["choices"][0]["message"]["content"] != mock.ANSWER:
                raise RuntimeError(f"answered {answer.status}: {body}")

    return ask


async def measure() -> list[Figure]:
    """Runs the rounds."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        folder = Path(name)
        mock_port, http_port, grpc_port = free_port(), free_port(), free_port()
        socket = folder / "mock.sock"
        database = f"sqlite:///{folder / 'keys.db'}"
        _, key = KeyStore(database).create(
            "bench", requests_per_minute=10**7, tokens_per_minute=10**9
        )
        environment = {
            "ORFEON_HOME": name,
            "ORFEON_GATEWAY_PORT": str(http_port),
            "ORFEON_GATEWAY_GRPC_PORT": str(grpc_port),
            "ORFEON_GATEWAY_DATABASE_URL": database,
            "ORFEON_GATEWAY_UPSTREAMS__CHAT": f"unix:{socket}",
        }
        with (
            started(
                [sys.executable, "-m", "bench.mock", str(mock_port), str(socket)],
                env={}, core=1, log=folder / "mock.log",
            ),
            started(
                [sys.executable, "-m", "gateway"],
                env=environment, core=0, log=folder / "gateway.log",
            ),
        ):  # fmt: skip
            wait_for(f"http://127.0.0.1:{http_port}/readyz", seconds=120)
            url = f"http://127.0.0.1:{http_port}/v1/chat/completions"
            connector = aiohttp.TCPConnector(limit=CONCURRENCY)
            async with (
                grpc.aio.insecure_channel(f"unix:{socket}") as direct,
                grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
                aiohttp.ClientSession(connector=connector) as session,
            ):
                systems = {
                    "direct": _by_grpc(direct, ""),
                    "grpc": _by_grpc(channel, key),
                    "http": _by_http(session, url, key),
                }
                latency: dict[str, list[float]] = {system: [] for system in systems}
                throughput: dict[str, list[float]] = {system: [] for system in systems}
                for _ in range(ROUNDS):
                    for system in ("direct", "grpc", "http", "http", "grpc", "direct"):
                        latency[system].append(await _latency(systems[system]))
                        throughput[system].append(await _throughput(systems[system]))
                return _figures(latency, throughput)


def _figures(latency: dict[str, list[float]], throughput: dict[str, list[float]]) -> list[Figure]:
    alone = statistics.median(latency["direct"])
    added = [(seconds - alone) * 1e3 for seconds in latency["grpc"]]
    over_http = [(seconds - alone) * 1e3 for seconds in latency["http"]]
    ratios = [a / b for a, b in zip(added, over_http, strict=True)]
    rates = {system: statistics.median(values) for system, values in throughput.items()}
    return [
        Figure("a direct call of the service", alone * 1e3, "ms"),
        Figure("added by the gateway's gRPC", statistics.median(added), "ms", 3.0,
               at_least=False, note=spread(added)),
        Figure("added by the gateway's HTTP", statistics.median(over_http), "ms",
               note=spread(over_http)),
        Figure("added, gRPC : HTTP", statistics.median(ratios), "x", note=spread(ratios)),
        Figure("calls/s at 32, direct", rates["direct"], "/s"),
        Figure("calls/s at 32, gRPC", rates["grpc"], "/s"),
        Figure("requests/s at 32, HTTP", rates["http"], "/s"),
    ]  # fmt: skip


def main() -> None:
    """Measures and prints."""
    print_figures("The gateway's gRPC, against a direct call", asyncio.run(measure()))
