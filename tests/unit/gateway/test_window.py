import pytest

from gateway.window import LocalCounts


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in one place that a test may change."""
    time = [1_000.0]
    monkeypatch.setattr("time.time", lambda: time[0])
    return time


async def test_tokens_are_forgotten_a_minute_after_the_first(now: list[float]) -> None:
    counts = LocalCounts()
    await counts.charge("key", 100, 30)
    now[0] += 40
    await counts.charge("key", 100, 50)
    count = await counts.admit("key", 5, 100)
    assert (count.tokens_left, count.tokens_reset) == (20, 1_060.0)
    now[0] += 20
    assert (await counts.admit("key", 5, 100)).tokens_left == 100


async def test_what_costs_more_than_is_left_leaves_nothing(now: list[float]) -> None:
    counts = LocalCounts()
    await counts.charge("key", 100, 250)
    assert (await counts.admit("key", 5, 100)).tokens_left == 0


async def test_who_is_refused_is_not_counted(now: list[float]) -> None:
    counts = LocalCounts()
    assert (await counts.admit("key", 1, 1)).admitted
    now[0] += 30
    refused = await counts.admit("key", 1, 1)
    assert (refused.admitted, refused.requests_left, refused.requests_reset) == (False, 0, 1_060.0)
    now[0] += 30.1
    assert (await counts.admit("key", 1, 1)).admitted


async def test_a_rate_that_was_lowered_leaves_nothing(now: list[float]) -> None:
    counts = LocalCounts()
    for _ in range(3):
        await counts.admit("key", 3, 1)
    assert (await counts.admit("key", 2, 1)).requests_left == 0


async def test_keys_that_nobody_uses_take_no_memory(now: list[float]) -> None:
    counts = LocalCounts()
    await counts.charge("heavy", 100, 5)
    for number in range(30_000):
        await counts.admit(f"key{number}", 5, 5)
        now[0] += 0.1
    # A minute has six hundred of them.
    assert len(counts._minutes) <= 1_300


async def test_many_requests_of_one_key_are_counted_exactly_and_forgotten(now: list[float]) -> None:
    counts = LocalCounts()
    recent: list[float] = []
    for number in range(6_000):
        # Faster, slower and not at all for a while.
        now[0] += 61 if number % 2_000 == 1_999 else 0.001 * (number % 50)
        recent = [each for each in recent if each >= now[0] - 60]
        count = await counts.admit("key", 500, 1)
        assert count.admitted == (len(recent) < 500)
        recent += [now[0]] * count.admitted
        assert count.requests_left == 500 - len(recent)
        assert count.requests_reset == recent[0] + 60
    assert len(counts._minutes["key"].hits) <= 1_000
