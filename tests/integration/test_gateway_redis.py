"""Rates that several gateways count together in a real Redis, and what they do without it."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from gateway.keystore import KeyStore
from gateway.ratelimits import RateLimiter, Rates
from services.runtime.errors import RateLimitExceeded, ServiceUnavailable
from tests.fakes.gateway import BODY, CHAT, error_of, eventually, running, settings_for
from tests.fakes.script import Script
from tests.fakes.upstreams import serving as serving_services
from tests.integration.gateways import serving
from tests.integration.state_servers import Redis, redis_server

__all__ = ["redis_server"]


async def test_a_burst_over_two_gateways_passes_exactly_as_often_as_the_limit(
    tmp_path: Path, redis_server: Redis
) -> None:
    store = KeyStore(f"sqlite:///{tmp_path}/orfeon.db")
    _, secret = store.create("bursting", requests_per_minute=100)
    store.close()
    address = f"unix:{tmp_path}/services.sock"
    answers: Counter[int] = Counter()
    async with (
        serving_services(address, Script()),
        serving(
            tmp_path, address, "one", "other",
            rate_limit_storage=redis_server.url, rate_limit_timeout="10",
        ) as (one, other),
        one.client(secret) as first,
        other.client(secret) as second,
    ):  # fmt: skip
        left = iter(range(1_000))

        async def ask_on(client: httpx.AsyncClient) -> None:
            for _ in left:
                answer = await client.post(CHAT, json=BODY, headers={"x-request-priority": "2"})
                answers[answer.status_code] += 1

        await asyncio.gather(*(ask_on(client) for client in (first, second) for _ in range(8)))
    assert answers == {200: 100, 429: 900}


@pytest.mark.parametrize("storage", ["memory://", "redis"])
async def test_a_burst_over_the_end_of_a_minute_is_counted_exactly(
    storage: str, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = RateLimiter(redis_server.url if storage == "redis" else storage, timeout=10)
    rates, passed = Rates(50, 1_000), 0
    # 58 seconds after a full minute; then a third of a second for each request.
    now = float(time.time() // 60 * 60 + 58)
    monkeypatch.setattr("time.time", lambda: now)
    for _ in range(170):
        try:
            await limiter.admit(storage, rates, {})
            passed += 1
        except RateLimitExceeded:
            pass
        now += 1 / 3
    assert passed == 50
    # A minute after the first ones they make room again.
    now += 3.5
    for _ in range(5):
        await limiter.admit(storage, rates, {})
        now += 1 / 3
    await limiter.close()


async def test_without_redis_the_urgent_are_served_and_the_others_wait(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    server.start()
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(
        tmp_path,
        address,
        rate_limit_storage=server.url,
        rate_limit_timeout=10,
        rate_limit_fail_open_levels=[0],
    )
    keys = KeyStore(settings.database_url)
    _, secret = keys.create("any")
    _, held = keys.create("held", priority_floor=2)

    async def asked(level: str, secret: str = secret) -> httpx.Response:
        headers = {"authorization": f"Bearer {secret}", "x-request-priority": level}
        return await client.post(CHAT, json=BODY, headers=headers)

    async with (
        serving_services(address, Script()),
        running(settings, keys) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        counted = await asked("2")
        assert counted.headers["x-ratelimit-remaining-requests"] == "2999"
        server.kill()
        for level, status in (("0", 200), ("1", 503), ("2", 503)):
            assert (await asked(level)).status_code == status
        refused = await asked("0", held)
        assert error_of(refused)["message"] is not None
        assert "try again shortly" in str(error_of(refused)["message"])
        assert refused.headers["retry-after"] == "1"
        uncounted = await asked("0")
        assert uncounted.headers["x-ratelimit-limit-requests"] == "3000"
        assert "x-ratelimit-remaining-requests" not in uncounted.headers
        metrics = (await client.get("/metrics")).text
        name = "orfeon_gateway_rate_limit_failures_total"
        assert f'{name}{{level="0",outcome="open"}} 2.0' in metrics
        assert f'{name}{{level="2",outcome="closed"}} 2.0' in metrics
        server.start()

        async def counted_again() -> bool:
            return (await asked("2")).status_code == 200

        await eventually(counted_again)
    keys.close()
    server.stop()


async def test_nobody_waits_for_a_redis_that_is_silent(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    server.start()
    outcomes: list[tuple[int, str]] = []
    limiter = RateLimiter(
        server.url, timeout=2, failed=lambda level, outcome: outcomes.append((level, outcome))
    )
    await limiter.admit("key", Rates(100, 100), {})
    server.freeze()
    # One after another: had each waited for it, they would take minutes.
    async with asyncio.timeout(60):
        for _ in range(200):
            await limiter.admit("key", Rates(100, 100), {}, level=0)
        with pytest.raises(ServiceUnavailable):
            await limiter.admit("key", Rates(100, 100), {}, level=2)
        await limiter.charge("key", Rates(100, 100), 5)
    assert outcomes == [(0, "open")] * 200 + [(2, "closed")]
    server.thaw()
    headers: dict[str, str] = {}

    async def counted() -> bool:
        await limiter.admit("key", Rates(100, 100), headers, level=0)
        return "x-ratelimit-remaining-requests" in headers

    await eventually(counted)
    await limiter.close()
    server.stop()
