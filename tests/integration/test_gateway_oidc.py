"""Access tokens of a real OpenID provider, at a gateway that is a process of its own."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2_grpc
from tests.fakes.emotion import SECOND
from tests.fakes.gateway import BODY, CHAT, error_of, eventually
from tests.fakes.ports import free_port
from tests.fakes.rpc import ASKED, Refusal, bearer, dialled, refused
from tests.fakes.script import Script
from tests.fakes.tokens import Signer, encoded, part
from tests.fakes.upstreams import serving
from tests.integration import gateways
from tests.integration.authority import authority_in
from tests.integration.oidc_provider import Provider

STREAM = "/v1/audio/classifications/stream"
ALL = ("orfeon:chat", "orfeon:emotion", "orfeon:models")


@dataclass
class Trusting:
    """A gateway that trusts a provider, before fake services."""

    gateway: gateways.Gateway
    grpc_address: str
    script: Script
    home: Path

    async def over_http(self, secret: str) -> httpx.Response:
        async with self.gateway.client(secret) as client:
            return await client.post(CHAT, json=BODY)

    async def over_grpc(self, secret: str) -> Refusal | None:
        """How a call is refused; None where it is answered."""
        async with dialled(self.grpc_address) as channel:
            call = chat_pb2_grpc.ChatServiceStub(channel).ChatCompletion(
                ASKED, metadata=bearer(secret)
            )
            if await call.code() is grpc.StatusCode.OK:
                return None
            return await refused(call)

    def stream(self, secret: str) -> connect:
        """A WebSocket, with the token where a browser has to put it."""
        url = self.gateway.url.replace("http://", "ws://") + STREAM + "?sample_rate=8000"
        return connect(url, subprotocols=[Subprotocol(f"openai-insecure-api-key.{secret}")])

    async def over_websocket(self, secret: str) -> int:
        """The status of a handshake."""
        try:
            async with self.stream(secret) as stream:
                assert json.loads(await stream.recv())["type"] == "session.created"
        except InvalidStatus as error:
            return error.response.status_code
        return 101

    async def is_good(self, secret: str) -> bool:
        answer: httpx.Response = await self.over_http(secret)
        return bool(answer.status_code == 200)


@asynccontextmanager
async def trusting(home: Path, issuer: str, **oidc: Any) -> AsyncIterator[Trusting]:
    """A gateway that trusts an issuer, and whose clock may differ by nothing."""
    address, port, script = f"unix:{home}/services.sock", free_port(), Script()
    settings = {"issuer": issuer, "audience": "orfeon", "leeway_seconds": 0, **oidc}
    variables = {f"oidc_{name}": str(value) for name, value in settings.items()}
    async with (
        serving(address, script),
        gateways.serving(
            home, address, "gateway",
            grpc_port=str(port), stream_idle_seconds="5", drain_seconds="0", **variables,
        ) as [gateway],
    ):  # fmt: skip
        yield Trusting(gateway, f"127.0.0.1:{port}", script, home)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


async def test_a_person_is_served_by_every_protocol_and_is_one_everywhere(
    provider: Provider, tmp_path: Path
) -> None:
    async with trusting(tmp_path, provider.issuer) as gateway:
        answer = await gateway.over_http(provider.token("ada", ALL))
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "3000"
        assert answer.headers["x-request-priority"] == "1"
        assert await gateway.over_grpc(provider.token("ada", ALL)) is None
        assert await gateway.over_websocket(provider.token("ada", ALL)) == 101
        assert await gateway.is_good(provider.token("bob", ALL))
        *ada, bob = [context.key_id for context in gateway.script.contexts]
        assert len(ada) == 3
        assert len(set(ada)) == 1
        assert ada[0].startswith("sub_")
        assert bob != ada[0]

        async def written_down() -> bool:
            async with gateway.gateway.client(provider.token("ada", ALL)) as client:
                rows = (await client.get("/v1/usage")).json()["data"]
            assert {row["key_id"] for row in rows} <= {ada[0]}
            total: int = sum(row["requests"] for row in rows)
            return total == 3

        await eventually(written_down, seconds=15)
        log = gateway.gateway.log.read_text()
        assert ada[0] in log
        for secret in ('"ada"', "ada@example.org", provider.token()[:20]):
            assert secret not in log


async def test_each_kind_of_bad_token_is_refused_by_every_protocol(
    provider: Provider, tmp_path: Path
) -> None:
    forger = Signer("RS256", provider.signers[0].kid)
    now = int(time.time())
    claims = {"iss": provider.issuer, "sub": "ada", "aud": "orfeon", "exp": now + 99}
    unsigned = f"{part({'alg': 'none'})}.{part(claims)}."
    with Provider() as stranger:
        bad = {
            "has expired": provider.token(expires_in=-1),
            "another issuer": provider.token(iss=stranger.issuer),
            "does not publish": stranger.token(iss=provider.issuer),
            "another audience": provider.token(audience="studio"),
            "signature": forger.sign(claims),
            "algorithm": unsigned,
            "not valid yet": provider.token(nbf=now + 3600),
            "in the future": provider.token(iat=now + 3600),
            "lacks the claim 'sub'": provider.token(sub=None),
            "lacks the claim 'exp'": provider.token(exp=None),
            "cannot be read": f"{encoded(b'[' * 4_000)}.e30.AA",
        }
    async with trusting(tmp_path, provider.issuer) as gateway:
        for said, token in bad.items():
            answer = await gateway.over_http(token)
            assert answer.status_code == 401, said
            assert answer.headers["www-authenticate"] == "Bearer"
            error = error_of(answer)
            assert error["code"] == "invalid_api_key"
            assert said in str(error["message"])
            refusal = await gateway.over_grpc(token)
            assert refusal is not None
            assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
            assert refusal.message == error["message"]
            assert await gateway.over_websocket(token) == 401
        assert gateway.script.contexts == []


async def test_a_token_may_do_what_its_scopes_say_and_no_more(
    provider: Provider, tmp_path: Path
) -> None:
    async with trusting(tmp_path, provider.issuer) as gateway:
        token = provider.token(scopes=["openid", "orfeon:models"])
        answer = await gateway.over_http(token)
        assert answer.status_code == 403
        assert error_of(answer)["code"] == "missing_scope"
        refusal = await gateway.over_grpc(token)
        assert refusal is not None
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
        async with gateway.gateway.client(token) as client:
            assert (await client.get("/v1/models")).status_code == 200
            assert (await client.get("/v1/queue")).status_code == 200


async def test_keys_change_without_a_restart_and_old_ones_end(
    provider: Provider, tmp_path: Path
) -> None:
    async with trusting(tmp_path, provider.issuer, refresh_seconds=1) as gateway:
        old = provider.token(scopes=ALL)
        assert await gateway.is_good(old)
        provider.rotate(keep=True)
        between = provider.token(scopes=ALL)
        await eventually(lambda: gateway.is_good(between))
        assert await gateway.is_good(old)
        provider.rotate()
        new = provider.token(scopes=ALL)
        await eventually(lambda: gateway.is_good(new))

        async def withdrawn() -> bool:
            return not await gateway.is_good(old) and not await gateway.is_good(between)

        await eventually(withdrawn)


async def test_tokens_of_unknown_keys_do_not_make_the_gateway_ask_more_often(
    provider: Provider, tmp_path: Path
) -> None:
    async with trusting(tmp_path, provider.issuer) as gateway:
        assert await gateway.is_good(provider.token(scopes=ALL))
        before, began = provider.fetched, time.monotonic()
        for number in range(40):
            forged = Signer("ES256", f"guess-{number}").sign({})
            assert (await gateway.over_http(forged)).status_code == 401
        assert provider.fetched - before <= 1 + (time.monotonic() - began) / 3


async def test_while_the_provider_is_away_tokens_wait_and_keys_do_not(tmp_path: Path) -> None:
    with Provider(algorithm="ES256") as provider:
        token = provider.token(scopes=ALL)
        settings = {"refresh_seconds": 1, "stale_seconds": 10}
        async with trusting(tmp_path, provider.issuer, **settings) as gateway:
            keys = KeyStore(f"sqlite:///{tmp_path}/orfeon.db")
            _, secret = keys.create("laptop")
            keys.close()
            assert await gateway.is_good(token)
            provider.stop()
            assert await gateway.is_good(token)

            async def refused_for_now() -> bool:
                return (await gateway.over_http(token)).status_code == 503

            await eventually(refused_for_now)
            answer = await gateway.over_http(token)
            assert error_of(answer)["code"] == "service_unavailable"
            assert int(answer.headers["retry-after"]) >= 1
            refusal = await gateway.over_grpc(token)
            assert refusal is not None
            assert refusal.code is grpc.StatusCode.UNAVAILABLE
            assert await gateway.is_good(secret)
            async with gateway.gateway.client(secret) as client:
                assert "orfeon_gateway_oidc_up 0.0" in (await client.get("/metrics")).text
            provider.start()
            await eventually(lambda: gateway.is_good(token))


async def test_a_provider_of_a_private_authority_is_asked_once_that_is_trusted(
    tmp_path: Path,
) -> None:
    authority = authority_in(tmp_path / "authority")
    with Provider(algorithm="ES256", authority=authority) as provider:
        token = provider.token(scopes=ALL)
        async with trusting(tmp_path, provider.issuer) as gateway:
            answer = await gateway.over_http(token)
            assert answer.status_code == 503
            assert error_of(answer)["code"] == "service_unavailable"
            assert "certificate verify failed" in gateway.gateway.log.read_text()
        async with trusting(tmp_path, provider.issuer, ca_file=authority.file) as gateway:
            assert await gateway.is_good(token)
            assert await gateway.over_grpc(token) is None


async def said(stream: ClientConnection) -> list[str]:
    """All messages of a stream, until it is closed, in whatever way."""
    messages = []
    with contextlib.suppress(ConnectionClosed):
        async for message in stream:
            messages.append(str(message))
    return messages


async def test_a_stream_ends_when_its_token_does(provider: Provider, tmp_path: Path) -> None:
    async with trusting(tmp_path, provider.issuer) as gateway:
        token = provider.token(scopes=ALL, expires_in=8)
        async with gateway.stream(token) as stream:

            async def talk() -> None:
                while True:
                    await stream.send(bytes(SECOND // 10))
                    await asyncio.sleep(0.1)

            talking = asyncio.create_task(talk())
            told = await said(stream)
            with pytest.raises(ConnectionClosed):
                await talking
            assert json.loads(told[-1])["error"]["message"] == "This access token has expired."
            assert stream.close_code == 1008
