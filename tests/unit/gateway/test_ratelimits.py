import pytest

from gateway.ratelimits import RateLimiter, Rates, duration
from services.runtime.errors import RateLimitExceeded, ServiceUnavailable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.0004, "0s"),
        (0.012, "12ms"),
        (0.9994, "999ms"),
        (0.9996, "1s"),
        (1.5, "1.5s"),
        (59.9996, "1m0s"),
        (360, "6m0s"),
        (61.25, "1m1.25s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


async def test_requests_run_out_and_say_when_to_come_back() -> None:
    limiter = RateLimiter("memory://")
    rates = Rates(requests=2, tokens=100)
    headers: dict[str, str] = {}
    await limiter.admit("key", rates, headers)
    await limiter.admit("key", rates, headers)
    assert headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(RateLimitExceeded) as caught:
        await limiter.admit("key", rates, headers)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60
    await limiter.admit("another key", rates, {})


async def test_tokens_are_charged_afterwards() -> None:
    limiter = RateLimiter("memory://")
    rates = Rates(requests=100, tokens=10)
    headers: dict[str, str] = {}
    await limiter.admit("key", rates, headers)
    assert headers["x-ratelimit-remaining-tokens"] == "10"
    assert headers["x-ratelimit-reset-tokens"] == "0s"
    await limiter.charge("key", rates, 9)
    await limiter.admit("key", rates, headers)
    assert headers["x-ratelimit-remaining-tokens"] == "1"
    await limiter.charge("key", rates, 5)
    with pytest.raises(RateLimitExceeded, match="tokens"):
        await limiter.admit("key", rates, headers)
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert headers["x-ratelimit-reset-tokens"] != "0s"


async def test_all_six_headers_are_there() -> None:
    headers: dict[str, str] = {}
    await RateLimiter("memory://").admit("key", Rates(5, 5), headers)
    assert set(headers) == {
        f"x-ratelimit-{what}-{unit}"
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    }


def test_an_option_that_is_none_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="ORFEON_GATEWAY_RATE_LIMIT_STORAGE"):
        RateLimiter("redis://:hidden@127.0.0.1:1/0?timeout_ms=5")


@pytest.mark.parametrize("kind", ["redis", "rediss", "redis+cluster"])
async def test_what_cannot_be_counted_is_served_or_refused_by_its_level(kind: str) -> None:
    outcomes: list[tuple[int, str]] = []
    limiter = RateLimiter(
        f"{kind}://127.0.0.1:1/0",
        open_levels=(0,),
        failed=lambda level, outcome: outcomes.append((level, outcome)),
    )
    headers: dict[str, str] = {}
    await limiter.admit("key", Rates(5, 5), headers, level=0)
    assert headers == {"x-ratelimit-limit-requests": "5", "x-ratelimit-limit-tokens": "5"}
    for level in (1, 2):
        with pytest.raises(ServiceUnavailable) as caught:
            await limiter.admit("key", Rates(5, 5), {}, level)
        assert caught.value.retry_after == 1.0
    await limiter.charge("key", Rates(5, 5), 5)
    await limiter.close()
    assert outcomes == [(0, "open"), (1, "closed"), (2, "closed")]
