"""What a real Traefik with the chart's configuration refuses, takes away and adds."""

import asyncio
import contextlib
import json
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.chart import CHART
from tests.fakes.gateway import BODY, CHAT, eventually
from tests.fakes.rpc import ASKED, Rpc, bearer, dialled, rpc_staged
from tests.integration.edge import HOST, Edge, traefik

MEBIBYTE = 1 << 20


@contextlib.asynccontextmanager
async def before_gateway(
    folder: Path, **values: Any
) -> AsyncIterator[tuple[Edge, httpx.AsyncClient, Rpc]]:
    """Traefik before a gateway, and a client of it with a key."""
    async with rpc_staged(folder) as rpc:
        servers = {"http": [rpc.stage.url.removeprefix("http://")], "grpc": [rpc.address]}
        async with traefik(folder, servers, **values) as edge:
            key = {"authorization": f"Bearer {rpc.stage.secret}"}
            async with edge.http(headers=key) as client:
                yield edge, client, rpc


async def shaken(edge: Edge, *options: str, request: bytes = b"") -> str:
    """What OpenSSL says of a connection to it, and of the answer to a request."""

    def shake() -> str:
        command = ["openssl", "s_client", "-connect", f"{HOST}:{edge.port}", *options]
        if request:
            command.append("-ign_eof")
        tried = subprocess.run(command, input=request, capture_output=True, timeout=30)
        return (tried.stdout + tried.stderr).decode("latin-1")

    return await asyncio.to_thread(shake)


async def test_only_tls_of_today_for_the_right_name_reaches_only_what_is_public(
    tmp_path: Path,
) -> None:
    async with before_gateway(tmp_path) as (edge, client, _):
        # OpenSSL itself would offer no less than 1.2.
        weak = ("-cipher", "ALL:@SECLEVEL=0")
        for version in ("-tls1_2", "-tls1_3"):
            assert "Cipher is (NONE)" not in await shaken(edge, version, *weak)
        for version in ("-tls1", "-tls1_1"):
            for name in (HOST, "other.example.com"):
                said = await shaken(edge, version, *weak, "-servername", name)
                assert "alert protocol version" in said
        # Who names another host to be connected, or none, is not let through to ours.
        asked = f"GET /v1/models HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode()
        for nobody in (("-noservername",), ("-servername", "other.example.com")):
            assert "HTTP/1.1 421 Misdirected Request" in await shaken(edge, *nobody, request=asked)
        answer = await client.get("/v1/models")
        assert answer.status_code == httpx.codes.OK
        for name, value in {
            "strict-transport-security": "max-age=31536000",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
        }.items():
            assert answer.headers.get_list(name) == [value]
        # Here it is Traefik who does not know them.
        for inside in ("/metrics", "/healthz", "/readyz", "/", "/api/http/services", "/ping"):
            assert (await client.get(inside)).text == "404 page not found\n"
        assert "x-request-id" in (await client.get("/v1/nothing")).headers
        elsewhere = await client.get("/v1/models", headers={"host": "other.example.com"})
        assert elsewhere.status_code == httpx.codes.NOT_FOUND


async def pushed(edge: Edge, path: str, kind: str, key: str, size: str) -> tuple[bytes, str, int]:
    """Sends a body without an end until it is answered.

    Returns the answer's first line, what its error says, and how many bytes were sent by then.
    """
    reader, writer = await asyncio.open_connection(
        HOST, edge.port, ssl=edge.trust(), server_hostname=HOST
    )
    writer.write(
        f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: {kind}\r\n{size}\r\n"
        f"authorization: Bearer {key}\r\n\r\n".encode()
    )
    answer = asyncio.ensure_future(reader.readuntil(b"}}"))
    piece, sent = bytes(MEBIBYTE // 4), 0
    framed = b"%x\r\n%s\r\n" % (len(piece), piece)
    with contextlib.suppress(ConnectionError):
        while not answer.done():
            writer.write(framed if "chunked" in size else piece)
            await writer.drain()
            sent += len(piece)
            # What the answer takes to come back.
            await asyncio.wait([answer], timeout=0.02)
    head, _, body = (await answer).partition(b"\r\n\r\n")
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        writer.close()
        await writer.wait_closed()
    return head.partition(b"\r\n")[0], json.loads(body)["error"]["message"], sent


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    declared, chunked = f"content-length: {1024 * MEBIBYTE}", "transfer-encoding: chunked"
    form, upload = "multipart/form-data; boundary=b", "/v1/audio/transcriptions"
    async with before_gateway(tmp_path) as (edge, _, rpc), asyncio.timeout(90):
        for path, kind, size, limit in (
            (CHAT, "application/json", declared, "8,388,608"),
            (CHAT, "application/json", chunked, "8,388,608"),
            (upload, form, declared, "104,857,600"),
        ):
            status, told, sent = await pushed(edge, path, kind, rpc.stage.secret, size)
            assert status.startswith(b"HTTP/1.1 413 ")
            assert limit in told
            # Little more than the limit, and what there is room for on the way.
            assert sent < 64 * MEBIBYTE


async def test_a_burst_is_told_to_come_again_whatever_addresses_it_names(tmp_path: Path) -> None:
    limits = {"average": 1, "burst": 10, "period": "60s"}
    async with before_gateway(tmp_path, rateLimit=limits) as (edge, client, _):

        async def ask(number: int) -> httpx.Response:
            lie = {"x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}"}
            return await client.get("/v1/models", headers=lie)

        answers = await asyncio.gather(*(ask(number) for number in range(30)))
        async with dialled(f"{HOST}:{edge.port}", edge.credentials()) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            calls = [stub.Check(health_pb2.HealthCheckRequest()) for _ in range(30)]
            codes = Counter([await call.code() for call in calls])
    let = [each for each in answers if each.status_code == httpx.codes.OK]
    refused = [each for each in answers if each.status_code == httpx.codes.TOO_MANY_REQUESTS]
    assert len(let) + len(refused) == len(answers)
    # A further one for each minute that this took.
    assert 10 <= len(let) <= 12
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    assert all(each.headers["strict-transport-security"] for each in refused)
    assert 10 <= codes[grpc.StatusCode.OK] <= 12
    assert codes[grpc.StatusCode.OK] + codes[grpc.StatusCode.UNAVAILABLE] == len(calls)


async def test_a_client_has_so_many_requests_at_a_time(tmp_path: Path) -> None:
    async with before_gateway(tmp_path, inFlight={"amount": 3}) as (_, client, rpc):
        script = rpc.stage.script
        script.gate = asyncio.Semaphore(0)
        held = [asyncio.create_task(client.post(CHAT, json=BODY)) for _ in range(3)]

        async def all_there() -> bool:
            return len(script.requests) == len(held)

        await eventually(all_there)
        refused = await client.get("/v1/models")
        assert refused.status_code == httpx.codes.TOO_MANY_REQUESTS
        for _ in range(len(held) * len(script.pieces)):
            script.gate.release()
        assert {each.status_code for each in await asyncio.gather(*held)} == {httpx.codes.OK}
        assert (await client.get("/v1/models")).status_code == httpx.codes.OK


async def test_headers_that_say_who_somebody_is_are_dropped(tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    names: list[str] = values["edge"]["identityHeaders"]
    aliases = ["X_Orfeon_Key_Id", "X.Orfeon.Key.Id", "X_Forwarded_User"]
    lies = dict.fromkeys([*names, *aliases], "someone-else")
    lies |= {"X-Forwarded-For": "203.0.113.7", "X-Real-Ip": "203.0.113.7"}
    ours = {"authorization": "Bearer k", "x-request-id": "mine", "x-request-priority": "2"}
    heard: list[str] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.extend(head.decode("latin-1").split("\r\n")[1:-2])
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        here = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with (
            traefik(tmp_path, {"http": [here], "grpc": [here]}) as edge,
            edge.http(headers=lies | ours) as client,
        ):
            assert (await client.get("/v1/models")).status_code == httpx.codes.NO_CONTENT
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in heard)}
    assert found.items() >= ours.items()
    assert not [line for line in heard if "someone-else" in line or "203.0.113.7" in line]
    assert found["x-forwarded-proto"] == "https"


async def test_nobody_is_another_key_by_saying_so(tmp_path: Path) -> None:
    """Not through the edge, and not to the gateway itself."""
    lie = {"x-orfeon-key-id": "key_of_another", "x-forwarded-user": "root"}
    async with before_gateway(tmp_path) as (edge, client, rpc):
        assert (await client.post(CHAT, json=BODY, headers=lie)).is_success
        assert (await rpc.over_http("POST", CHAT, json=BODY, headers=lie)).is_success
        metadata = bearer(rpc.stage.secret, **lie)
        await rpc.chat.ChatCompletion(ASKED, metadata=metadata)
        async with dialled(f"{HOST}:{edge.port}", edge.credentials()) as channel:
            through = Rpc(rpc.stage, rpc.address, channel)
            await through.chat.ChatCompletion(ASKED, metadata=metadata)
        (key,) = rpc.stage.keys.list()
        assert [context.key_id for context in rpc.stage.script.contexts] == [key.id] * 4
