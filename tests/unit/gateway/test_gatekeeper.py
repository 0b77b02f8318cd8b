import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from gateway.exchange import Exchange
from gateway.gatekeeper import ANYBODY, Gatekeeper
from gateway.keystore import ApiKey, KeyStore
from gateway.memory import UploadMemory
from gateway.ratelimits import RateLimiter, Rates
from services.runtime.errors import (
    InvalidApiKey,
    MissingScope,
    RateLimitExceeded,
    ServiceUnavailable,
)
from tests.fakes.provider import FakeProvider


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    store = KeyStore(f"sqlite:///{tmp_path}/keys.db")
    yield store
    store.close()


def gatekeeper(keys: KeyStore | None, requests: int = 100) -> Gatekeeper:
    return Gatekeeper(
        keys, RateLimiter("memory://"), Rates(requests, 1_000), timeout=30, uploads=UploadMemory(1)
    )


async def test_a_key_comes_as_bearer_or_as_x_api_key(keys: KeyStore) -> None:
    key, secret = keys.create("laptop")
    for headers in ({"authorization": f"bearer  {secret} "}, {"x-api-key": secret}):
        exchange = Exchange("r")
        await gatekeeper(keys).admit(exchange, Headers(headers), "chat", metered=True)
        assert exchange.key == key
        assert exchange.headers["x-ratelimit-limit-requests"] == "100"


async def test_what_is_not_metered_is_not_counted(keys: KeyStore) -> None:
    _, secret = keys.create("laptop")
    exchange = Exchange("r")
    headers = Headers({"x-api-key": secret})
    await gatekeeper(keys).admit(exchange, headers, "models", metered=False)
    assert exchange.headers == {}


async def test_a_key_has_its_own_rate(keys: KeyStore) -> None:
    _, secret = keys.create("fast", requests_per_minute=7_000)
    exchange = Exchange("r")
    await gatekeeper(keys).admit(exchange, Headers({"x-api-key": secret}), "chat", metered=True)
    assert exchange.headers["x-ratelimit-limit-requests"] == "7000"
    assert exchange.headers["x-ratelimit-limit-tokens"] == "1000"


async def test_a_scope_that_is_not_there_is_refused(keys: KeyStore) -> None:
    _, secret = keys.create("talker", scopes=["chat"])
    with pytest.raises(MissingScope, match="speech"):
        await gatekeeper(keys).admit(
            Exchange("r"), Headers({"x-api-key": secret}), "speech", metered=True
        )


@pytest.mark.parametrize("headers", [{}, {"authorization": "sk-orf-x"}, {"x-api-key": " "}])
async def test_no_key_is_refused(keys: KeyStore, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidApiKey, match="No API key"):
        await gatekeeper(keys).admit(Exchange("r"), Headers(headers), "chat", metered=True)


async def test_a_database_that_is_away_is_told_without_its_words(
    keys: KeyStore, tmp_path: Path
) -> None:
    keys.close()
    (tmp_path / "keys.db").write_text("a secret of the database")
    with pytest.raises(ServiceUnavailable) as caught:
        await gatekeeper(keys).admit(
            Exchange("r"), Headers({"x-api-key": "x"}), "chat", metered=True
        )
    assert "secret" not in caught.value.message
    assert caught.value.retry_after == 1.0


class SilentStore(KeyStore):
    """A store whose database does not answer until it is told to."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self.answering = threading.Event()

    def look_up(self, secret: str) -> ApiKey | None:
        self.answering.wait(10)
        return super().look_up(secret)


async def test_nobody_waits_for_a_database_that_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.gatekeeper._LOOKUP_SECONDS", 0.01)
    store = SilentStore(f"sqlite:///{tmp_path}/keys.db")
    _, secret = store.create("laptop")
    keeper = gatekeeper(store)
    with pytest.raises(ServiceUnavailable):
        await keeper.admit(Exchange("r"), Headers({"x-api-key": secret}), "chat", metered=True)
    assert not store.reachable
    store.answering.set()
    keeper._lookups.shutdown()
    store.close()


async def test_what_no_answer_can_have_taken_spoils_no_sum(keys: KeyStore) -> None:
    exchange = Exchange("r")
    for seconds in (math.nan, math.inf, -1.0, 2.5):
        exchange.listened(seconds)
    await gatekeeper(keys).charge(exchange, -5)
    assert (exchange.audio_seconds, exchange.tokens) == (2.5, 0)


async def test_where_no_key_is_needed_everybody_is_anybody() -> None:
    exchange = Exchange("r")
    await gatekeeper(None, requests=1).admit(exchange, Headers({}), "chat", metered=True)
    assert exchange.key is ANYBODY
    await gatekeeper(None, requests=1).admit(exchange, Headers({}), "speech", metered=True)


async def test_the_service_is_told_who_asks_and_until_when(keys: KeyStore) -> None:
    key, secret = keys.create("laptop", priority_floor=1)
    keeper, exchange = gatekeeper(keys), Exchange("request-1", started=100.0)
    await keeper.admit(exchange, Headers({"x-api-key": secret}), "chat", metered=True)
    context = keeper.context(exchange, priority=0)
    assert (context.request_id, context.key_id) == ("request-1", key.id)
    assert (context.priority, context.deadline) == (1, 130.0)
    assert exchange.headers["x-request-priority"] == "1"


async def test_a_token_is_asked_of_its_provider_and_a_key_of_the_database(keys: KeyStore) -> None:
    provider = FakeProvider()
    keeper = Gatekeeper(
        keys,
        RateLimiter("memory://"),
        Rates(100, 1_000),
        timeout=30,
        uploads=UploadMemory(1),
        tokens=provider.tokens(requests_per_minute=1),
    )
    headers = Headers({"authorization": f"Bearer {provider.token()}"})
    exchange = Exchange("r")
    await keeper.admit(exchange, headers, "chat", metered=True)
    assert exchange.key is not None
    assert exchange.key.id.startswith("sub_")
    assert exchange.headers["x-ratelimit-limit-requests"] == "1"
    with pytest.raises(MissingScope, match="access token"):
        await keeper.admit(Exchange("r"), headers, "speech", metered=True)
    another = Headers({"authorization": f"Bearer {provider.token(jti='another')}"})
    with pytest.raises(RateLimitExceeded):
        await keeper.admit(Exchange("r"), another, "chat", metered=True)
    key, secret = keys.create("laptop")
    exchange = Exchange("r")
    await keeper.admit(exchange, Headers({"x-api-key": secret}), "chat", metered=True)
    assert exchange.key == key


async def test_without_a_provider_a_token_is_a_wrong_key(keys: KeyStore) -> None:
    headers = Headers({"authorization": f"Bearer {FakeProvider().token()}"})
    with pytest.raises(InvalidApiKey, match="API key is wrong"):
        await gatekeeper(keys).admit(Exchange("r"), headers, "chat", metered=True)
