import asyncio
import json
from typing import Any

import pytest

from gateway.fetch import Unfetched
from gateway.jwks import RETRY_SECONDS, ProviderKeys
from services.runtime.errors import InvalidApiKey, ServiceUnavailable
from tests.fakes.provider import ISSUER, FakeProvider, settings_of
from tests.fakes.tokens import Signer, jwks

KEYS = f"{ISSUER}/keys"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


async def test_keys_are_found_where_discovery_says() -> None:
    provider = FakeProvider(Signer(), Signer())
    keys = provider.keys()
    for signer in provider.signers:
        assert (await keys.find(signer.kid)).kid == signer.kid
    assert provider.asked == [DISCOVERY, KEYS]


async def test_an_address_of_ones_own_goes_before_discovery() -> None:
    provider = FakeProvider()
    provider.replaced["https://keys.example.org"] = json.dumps(jwks(*provider.signers)).encode()
    keys = provider.keys(jwks_url="https://keys.example.org")
    await keys.find(provider.signers[0].kid)
    assert provider.asked == ["https://keys.example.org"]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": f"{ISSUER}/", "jwks_uri": KEYS},
        {"jwks_uri": KEYS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "http://login.example.org/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": ["https://a"]},
        [],
        "no object",
    ],
)
async def test_a_discovery_that_cannot_be_trusted_gives_no_keys(document: Any) -> None:
    provider = FakeProvider()
    provider.replaced[DISCOVERY] = json.dumps(document).encode()
    keys = provider.keys()
    with pytest.raises(ServiceUnavailable):
        await keys.find("any")
    assert not keys.reachable
    assert KEYS not in provider.asked


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 9_000, b"{}", b'{"keys": []}', b'{"keys": {}}', b'{"keys":[7]}']
)
async def test_what_is_no_set_of_keys_is_as_if_the_provider_were_away(body: bytes) -> None:
    provider = FakeProvider()
    keys = provider.keys()
    await keys.refresh()
    provider.replaced[KEYS] = body
    await keys.refresh()
    assert not keys.reachable
    assert (await keys.find(provider.signers[0].kid)).kid == provider.signers[0].kid


async def test_keys_that_verify_nothing_are_left_out() -> None:
    good, other = Signer("RS256"), Signer("RS256")
    provider = FakeProvider()
    secret = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ", "kid": "shared"}
    unknown = {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AAAA"}
    short = {"kty": "RSA", "kid": "short", "e": "AQAB", "n": "w" * 171}
    provider.replaced[KEYS] = json.dumps(
        {"keys": [secret, unknown, short, other.public(use="enc"), {}, good.public()]}
    ).encode()
    keys = provider.keys()
    assert (await keys.find(good.kid)).kid == good.kid
    for name in ("shared", "new", "short", other.kid):
        with pytest.raises(InvalidApiKey, match="does not publish"):
            await keys.find(name)


async def test_without_a_name_there_must_be_one_key_only() -> None:
    provider = FakeProvider(Signer())
    keys = provider.keys()
    assert await keys.find(None)
    provider.signers = (*provider.signers, Signer())
    await keys.refresh()
    with pytest.raises(InvalidApiKey):
        await keys.find(None)


async def test_a_new_key_is_found_as_soon_as_a_token_names_it() -> None:
    provider = FakeProvider()
    keys = provider.keys()
    await keys.find(provider.signers[0].kid)
    provider.signers = (Signer(), *provider.signers)
    provider.now += RETRY_SECONDS
    assert await keys.find(provider.signers[0].kid)


async def test_a_key_that_is_new_right_after_the_start_is_found_too() -> None:
    provider = FakeProvider()
    keys = provider.keys()
    await keys.start()
    await keys.find(provider.signers[0].kid)
    provider.signers = (Signer(),)
    assert await keys.find(provider.signers[0].kid)
    await keys.stop()


async def test_a_key_that_is_withdrawn_is_gone_with_the_next_refresh() -> None:
    provider = FakeProvider()
    old = provider.signers[0].kid
    keys = provider.keys()
    await keys.find(old)
    version = keys.version
    await keys.refresh()
    assert keys.version == version
    provider.signers = (Signer(),)
    await keys.refresh()
    assert keys.version == version + 1
    with pytest.raises(InvalidApiKey):
        await keys.find(old)


async def test_names_that_nobody_knows_ask_the_provider_every_few_seconds_at_most() -> None:
    provider = FakeProvider()
    keys = provider.keys()
    for second in range(10):
        for number in range(100):
            with pytest.raises(InvalidApiKey):
                await keys.find(f"guess-{second}-{number}")
        provider.now += 1
    assert provider.asked.count(KEYS) == 4


class Slow(FakeProvider):
    """A provider that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answering = asyncio.Event()

    async def get(self, url: str) -> bytes:
        await self.answering.wait()
        return await super().get(url)


async def test_all_who_wait_for_the_keys_wait_for_one_answer() -> None:
    provider = Slow()
    keys = provider.keys()
    kid = provider.signers[0].kid
    first, *others = [asyncio.create_task(keys.find(kid)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    provider.answering.set()
    for each in others:
        assert (await each).kid == kid
    assert provider.asked == [DISCOVERY, KEYS]


async def test_while_the_provider_is_away_known_keys_go_on_for_a_stated_time() -> None:
    provider = FakeProvider()
    keys = provider.keys(stale_seconds=900)
    kid = provider.signers[0].kid
    await keys.find(kid)
    provider.away = True
    provider.now += 900
    await keys.refresh()
    assert await keys.find(kid)
    assert not keys.reachable
    provider.now += 1
    with pytest.raises(ServiceUnavailable, match="provider being away") as caught:
        await keys.find(kid)
    assert caught.value.retry_after == RETRY_SECONDS
    before = len(provider.asked)
    for _ in range(100):
        with pytest.raises(ServiceUnavailable):
            await keys.find(kid)
    assert len(provider.asked) == before
    provider.away = False
    provider.now += RETRY_SECONDS
    assert await keys.find(kid)
    assert keys.reachable


async def test_a_provider_that_was_never_there_is_asked_every_few_seconds_at_most() -> None:
    provider = FakeProvider()
    provider.away = True
    keys = provider.keys()
    for _ in range(100):
        with pytest.raises(ServiceUnavailable):
            await keys.find("any")
    assert len(provider.asked) == 1


class Told:
    """Fails or answers in turn, and tells when it was asked for the last time."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.over = asyncio.Event()
        self.closed = False

    async def get(self, url: str) -> bytes:
        if len(self.answers) == 1:
            self.over.set()
        if answer := self.answers.pop(0):
            return answer
        raise Unfetched("away")

    async def close(self) -> None:
        self.closed = True


async def test_from_its_start_to_its_end_it_asks_by_itself() -> None:
    told = Told(json.dumps(jwks(Signer())).encode())
    keys = ProviderKeys(settings_of(jwks_url=KEYS), told)
    await keys.start()
    await told.over.wait()
    await keys.stop()
    assert keys.current
    assert told.closed
