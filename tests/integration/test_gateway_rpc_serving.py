"""How the public gRPC is found and reached: health, reflection, TLS, and its end."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.server import MAX_CALLS
from tests.fakes.gateway import eventually, running, settings_for
from tests.fakes.rpc import ASKED, Rpc, bearer, dialled, refused, rpc, rpc_staged, with_grpc

__all__ = ["rpc"]

BUF = Path(sys.executable).parent / "buf"
PLAIN = ("--protocol", "grpc", "--http2-prior-knowledge")
CHAT = "orfeon.api.chat.v1.ChatService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def curl(url: str, *options: str, data: Any = None) -> "subprocess.CompletedProcess[str]":
    """`buf curl`, which finds the messages by reflection, as grpcurl does."""
    command = [str(BUF), "curl", *options, *(["--data", json.dumps(data)] if data else []), url]

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return await asyncio.to_thread(run)


async def test_health_follows_the_services_and_needs_no_key(rpc: Rpc) -> None:
    stub: Any = health_pb2_grpc.HealthStub(rpc.channel)

    async def all_serve() -> bool:
        return bool((await stub.Check(health_pb2.HealthCheckRequest())).status == SERVING)

    await eventually(all_serve)
    watches = [stub.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", CHAT)]
    for watch in watches:
        assert (await watch.read()).status == SERVING
    # One that leaves takes nothing from the others.
    leaving = stub.Watch(health_pb2.HealthCheckRequest(service=CHAT))
    await leaving.read()
    leaving.cancel()
    await rpc.stage.stop()
    for watch in watches:
        assert (await asyncio.wait_for(watch.read(), 30)).status == NOT_SERVING
    own = health_pb2.HealthCheckRequest(service="orfeon.api.queue.v1.QueueService")
    assert (await stub.Check(own)).status == SERVING
    unknown = health_pb2.HealthCheckRequest(service="orfeon.api.arbiter.v1.ArbiterService")
    assert (await refused(stub.Check(unknown))).code == grpc.StatusCode.NOT_FOUND
    for watch in watches:
        watch.cancel()


async def test_a_connection_has_a_bound_on_its_calls(rpc: Rpc) -> None:
    stub: Any = health_pb2_grpc.HealthStub(rpc.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_CALLS)]
    await asyncio.gather(*(watch.read() for watch in watches))
    further = stub.Watch(health_pb2.HealthCheckRequest())
    answer = asyncio.ensure_future(further.read())
    done, _ = await asyncio.wait([answer], timeout=0.5)
    assert not done
    watches.pop().cancel()
    assert (await asyncio.wait_for(answer, 30)).status in (SERVING, NOT_SERVING)
    for watch in (further, *watches):
        watch.cancel()


async def test_whoever_asks_by_reflection_finds_every_method(rpc: Rpc) -> None:
    url = f"http://{rpc.address}"
    listed = await curl(url, *PLAIN, "--list-methods")
    assert listed.returncode == 0, listed.stderr
    methods = set(listed.stdout.split())
    assert f"{CHAT}/ChatCompletion" in methods
    assert "orfeon.api.emotion.v1.EmotionService/Follow" in methods
    assert not [name for name in methods if "arbiter" in name]
    key = f"authorization: Bearer {rpc.stage.secret}"
    asked = {"messages": [{"role": "ROLE_USER", "content": [{"text": "Why?"}]}]}
    answer = await curl(f"{url}/{CHAT}/ChatCompletion", *PLAIN, "-H", key, data=asked)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["choices"][0]["text"] == "Hello, wörld"
    refusal = await curl(f"{url}/{CHAT}/ChatCompletion", *PLAIN, data=asked)
    assert json.loads(refusal.stderr)["code"] == "unauthenticated"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of our own making for localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "tls.crt", folder / "tls.key"
    _make(chain, key)
    return chain, key


def _make(chain: Path, key: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(chain)],
        check=True, capture_output=True,
    )  # fmt: skip


async def test_tls_shows_the_certificate_that_lies_there_now(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for source, target in zip(certificate, (chain, key), strict=True):
        target.write_bytes(source.read_bytes())
    async with rpc_staged(tmp_path, grpc_tls_certificate=chain, grpc_tls_key=key) as rpc:
        port = rpc.address.rpartition(":")[2]

        async def ask(trusted: bytes) -> None:
            credentials = grpc.ssl_channel_credentials(trusted)
            async with dialled(f"localhost:{port}", credentials) as channel:
                stub = Rpc(rpc.stage, rpc.address, channel).chat
                await stub.ChatCompletion(ASKED, metadata=bearer(rpc.stage.secret), timeout=20)

        before = chain.read_bytes()
        await ask(before)
        plain = await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key, timeout=20))
        assert plain.code == grpc.StatusCode.UNAVAILABLE
        _make(chain, key)
        await ask(chain.read_bytes())
        assert (await refused(ask(before))).code == grpc.StatusCode.UNAVAILABLE


async def test_running_calls_end_before_the_gateway_does(tmp_path: Path) -> None:
    settings, address = with_grpc(settings_for(tmp_path))
    settings = settings.model_copy(update={"drain_seconds": 10})
    async with dialled(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        async with running(settings, None):
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            while (await watch.read()).status != SERVING:
                pass
        # The gateway has ended before its ten seconds: nobody who only watches keeps it.
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
