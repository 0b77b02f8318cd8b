import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway import migrations
from gateway.database import open_database
from gateway.usage import Amounts, Usage, UsageBook
from services.runtime.errors import ServiceUnavailable

#: 2030-01-31, ten seconds before midnight.
EVENING = 1_896_134_390.0
DAY = 86_400.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/orfeon.db")
    migrations.prepare(engine)
    yield engine
    engine.dispose()


class Clock:
    now = EVENING

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_usage_is_added_up_by_day_key_and_capability(
    database: sa.Engine, clock: Clock
) -> None:
    book = UsageBook(database, now=clock)
    book.add("one", "chat", Amounts(1, 10))
    book.add("one", "chat", Amounts(1, 5))
    book.add("one", "speech", Amounts(1, 0, 2.5))
    book.add("other", "chat", Amounts(1, 7))
    await book.flush()
    book.add("one", "chat", Amounts(1, 1))
    clock.now += 10
    book.add("one", "chat", Amounts(1, 2))
    assert await book.read("one", days=2, limit=10) == [
        Usage("2030-02-01", "one", "chat", Amounts(1, 2)),
        Usage("2030-01-31", "one", "chat", Amounts(3, 16)),
        Usage("2030-01-31", "one", "speech", Amounts(1, 0, 2.5)),
    ]
    assert [row.key_id for row in await book.read(None, days=1, limit=10)] == ["one"]
    assert len(await book.read(None, days=2, limit=10)) == 4
    assert len(await book.read(None, days=2, limit=3)) == 3


async def test_two_gateways_add_to_the_same_rows(database: sa.Engine, clock: Clock) -> None:
    books = [UsageBook(database, now=clock) for _ in range(2)]
    for book in books:
        for _ in range(3):
            book.add("one", "chat", Amounts(1, 10))
    await asyncio.gather(*(book.flush() for book in books))
    assert await books[0].read("one", 1, 10) == [Usage("2030-01-31", "one", "chat", Amounts(6, 60))]


def take_away(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE usage RENAME TO elsewhere"))


def give_back(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO usage"))


async def test_what_cannot_be_written_is_kept_and_added_up(
    database: sa.Engine, clock: Clock
) -> None:
    book = UsageBook(database, now=clock)
    take_away(database)
    for _ in range(3):
        book.add("one", "chat", Amounts(1, 10))
        await book.flush()
    with pytest.raises(ServiceUnavailable):
        await book.read("one", 1, 10)
    give_back(database)
    (row,) = await book.read("one", 1, 10)
    assert row.amounts == Amounts(3, 30)


async def test_what_is_kept_is_bounded(
    database: sa.Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    book = UsageBook(database, most_rows=2, now=clock)
    for key in ("a", "b", "c", "d", "a"):
        book.add(key, "chat", Amounts(1, 10))
    assert [record.message for record in caplog.records] == ["usage is lost"]
    rows = await book.read(None, 1, 10)
    assert [(row.key_id, row.amounts.requests) for row in rows] == [("a", 2), ("b", 1)]


async def test_what_is_left_is_written_at_the_end(
    database: sa.Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.usage._LAST", 60)
    book = UsageBook(database, every=3600, now=clock)
    await book.start()
    book.add("one", "chat", Amounts(1, 10))
    await book.stop()
    assert len(await UsageBook(database, now=clock).read("one", 1, 10)) == 1


async def test_the_end_waits_for_no_database_that_is_away(
    database: sa.Engine, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    book = UsageBook(database, every=3600, now=clock)
    await book.start()
    take_away(database)
    book.add("one", "chat", Amounts(1, 10))
    await book.stop()
    assert "usage was not written" in caplog.messages
