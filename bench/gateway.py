"""The gateway against the LiteLLM proxy, one worker each, in front of the same mock upstream.

The system under test has core 0; mock and load generator share core 1. Rounds alternate direct,
peer, ours, ours, peer, direct, so that a slow spell of the machine falls on all. What a gateway
adds is measured against a call of the mock by the protocol that the gateway itself calls it by.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import grpc

from bench import mock
from bench.processes import free_port, resident_bytes, started, wait_for
from bench.report import Figure, print_figures, spread
from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc

ROUNDS = 5
SEQUENTIAL = 100
CONCURRENCY = 32
SECONDS = 3.0
PEER_KEY = "sk-peer-0123456789abcdef0123456789abcdef"

BODY = {
    "model": mock.MODEL,
    "messages": [{"role": "user", "content": "Say something about foxes and dogs, please."}],
}


async def _post(session: aiohttp.ClientSession, url: str, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    async with session.post(url, json=BODY, headers=headers) as answer:
        body = await answer.json()
        if answer.status != 200 or body["choices"][0]["message"]["content"] != mock.ANSWER:
            raise RuntimeError(f"{url} answered {answer.status}: {body}")


async def _latency(url: str, key: str) -> float:
    """Median seconds of one request after another."""
    took = []
    async with aiohttp.ClientSession() as session:
        await _post(session, url, key)
        for _ in range(SEQUENTIAL):
            began = time.perf_counter()
            await _post(session, url, key)
            took.append(time.perf_counter() - began)
    return statistics.median(took)


async def _grpc_latency(address: str) -> float:
    """Median seconds of one call after another, straight to the mock."""
    took = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        for _ in range(SEQUENTIAL):
            began = time.perf_counter()
            await stub.ChatCompletion(chat_pb2.ChatCompletionRequest(model=mock.MODEL))
            took.append(time.perf_counter() - began)
    return statistics.median(took)


async def _throughput(url: str, key: str) -> float:
    """Requests a second at `CONCURRENCY`, closed loop."""
    done = 0
    end = time.perf_counter() + SECONDS

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await _post(session, url, key)
            done += 1

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(CONCURRENCY)))
        return done / (time.perf_counter() - began)


def _peer_config(folder: Path, upstream: str) -> Path:
    config = folder / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: {mock.MODEL}
    litellm_params: {{model: openai/{mock.MODEL}, api_base: {upstream}/v1, api_key: none}}
general_settings: {{master_key: {PEER_KEY}}}
litellm_settings: {{callbacks: [], telemetry: false}}
"""
    )
    return config


async def measure(peer: Path) -> list[Figure]:
    """Runs the rounds. `peer` is the LiteLLM executable."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        folder = Path(name)
        mock_port, our_port, peer_port = free_port(), free_port(), free_port()
        upstream = f"http://127.0.0.1:{mock_port}"
        ours = f"http://127.0.0.1:{our_port}"
        theirs = f"http://127.0.0.1:{peer_port}"
        socket = folder / "mock.sock"
        database = f"sqlite:///{folder / 'keys.db'}"
        _, key = KeyStore(database).create(
            "bench", requests_per_minute=10**7, tokens_per_minute=10**9
        )
        with (
            started(
                [sys.executable, "-m", "bench.mock", str(mock_port), str(socket)],
                env={}, core=1, log=folder / "mock.log",
            ),
            started(
                [sys.executable, "-m", "gateway"],
                env={
                    "ORFEON_HOME": name,
                    "ORFEON_GATEWAY_PORT": str(our_port),
                    "ORFEON_GATEWAY_GRPC_PORT": "0",
                    "ORFEON_GATEWAY_DATABASE_URL": database,
                    "ORFEON_GATEWAY_UPSTREAMS__CHAT": f"unix:{socket}",
                },
                core=0, log=folder / "gateway.log",
            ) as gateway,
        ):  # fmt: skip
            our_start = wait_for(f"{ours}/readyz", seconds=30)
            config = _peer_config(folder, upstream)
            with started(
                [str(peer), "--config", str(config), "--port", str(peer_port),
                 "--host", "127.0.0.1", "--num_workers", "1"],
                env={"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
                core=0, log=folder / "litellm.log",
            ) as proxy:  # fmt: skip
                peer_start = wait_for(f"{theirs}/health/readiness", seconds=120)
                systems = {
                    "direct": (f"{upstream}/v1/chat/completions", ""),
                    "peer": (f"{theirs}/v1/chat/completions", PEER_KEY),
                    "ours": (f"{ours}/v1/chat/completions", key),
                }
                latency: dict[str, list[float]] = {s: [] for s in (*systems, "direct_grpc")}
                throughput: dict[str, list[float]] = {system: [] for system in systems}
                for _ in range(ROUNDS):
                    for system in ("direct", "peer", "ours", "ours", "peer", "direct"):
                        latency[system].append(await _latency(*systems[system]))
                        if system == "direct":
                            latency["direct_grpc"].append(await _grpc_latency(f"unix:{socket}"))
                        if system != "direct":
                            throughput[system].append(await _throughput(*systems[system]))
                return _figures(
                    latency, throughput,
                    our_start, peer_start,
                    resident_bytes(gateway.pid), resident_bytes(proxy.pid),
                )  # fmt: skip


def _figures(
    latency: dict[str, list[float]],
    throughput: dict[str, list[float]],
    our_start: float,
    peer_start: float,
    our_bytes: int,
    peer_bytes: int,
) -> list[Figure]:
    def added(system: str, upstream: str) -> list[float]:
        alone = statistics.median(latency[upstream])
        return [(seconds - alone) * 1e3 for seconds in latency[system]]

    theirs, ours = added("peer", "direct"), added("ours", "direct_grpc")
    above_http = added("ours", "direct")
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    harsh = [a / b for a, b in zip(theirs, above_http, strict=True)]
    gains = [a / b for a, b in zip(throughput["ours"], throughput["peer"], strict=True)]
    return [
        Figure("mock alone over HTTP", statistics.median(latency["direct"]) * 1e3, "ms"),
        Figure("mock alone over gRPC", statistics.median(latency["direct_grpc"]) * 1e3, "ms"),
        Figure("added by LiteLLM to its HTTP upstream", statistics.median(theirs), "ms"),
        Figure("added by the gateway to its gRPC upstream", statistics.median(ours), "ms"),
        Figure("added latency, LiteLLM : gateway", statistics.median(ratios), "x", 10,
               note=spread(ratios)),
        Figure("the same, gRPC's own time counted as the gateway's", statistics.median(harsh),
               "x", note=spread(harsh)),
        Figure("requests/s at 32, LiteLLM", statistics.median(throughput["peer"]), "/s"),
        Figure("requests/s at 32, gateway", statistics.median(throughput["ours"]), "/s"),
        Figure("requests/s, gateway : LiteLLM", statistics.median(gains), "x", 10,
               note=spread(gains)),
        Figure("resident after the load, LiteLLM", peer_bytes / 2**20, "MiB"),
        Figure("resident after the load, gateway", our_bytes / 2**20, "MiB", 100, at_least=False),
        Figure("ready, LiteLLM", peer_start, "s"),
        Figure("ready, gateway", our_start, "s", 2, at_least=False),
    ]  # fmt: skip


def main(peer: Path) -> None:
    """Measures and prints."""
    figures = asyncio.run(measure(peer))
    print_figures("Gateway, mock upstream, one worker, core 0", figures)
