import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.keystore import DEFAULT_SCOPES, KeyStore
from services.runtime.errors import ServiceUnavailable


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/orfeon.db"


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[KeyStore]:
    store = KeyStore(url, cache_seconds=1.0, clock=clock, now=clock)
    yield store
    store.close()


def test_a_secret_opens_its_key(store: KeyStore) -> None:
    key, secret = store.create("laptop", priority_floor=1, requests_per_minute=5)
    found = store.authenticate(secret)
    assert found == key
    assert found is not None
    assert found.scopes == frozenset(DEFAULT_SCOPES)
    assert secret.startswith(found.prefix)
    assert len(found.prefix) < 16


def test_the_secret_is_stored_only_as_a_hash(store: KeyStore, tmp_path: Path) -> None:
    _, secret = store.create("laptop")
    with sqlite3.connect(tmp_path / "home" / "orfeon.db") as connection:
        row = connection.execute("select * from api_keys").fetchone()
    connection.close()
    assert hashlib.sha256(secret.encode()).hexdigest() in row
    assert not any(secret in str(value) for value in row)


def test_secrets_differ_and_are_256_bits_long(store: KeyStore) -> None:
    made = {store.create(f"key {n}")[1] for n in range(20)}
    assert len(made) == 20
    assert all(len(secret.removeprefix("sk-orf-")) == 43 for secret in made)


def test_a_wrong_secret_opens_nothing(store: KeyStore) -> None:
    store.create("laptop")
    assert store.authenticate("sk-orf-wrong") is None
    assert store.authenticate("") is None
    assert store.authenticate("\ud800") is None


def test_a_revoked_key_stops_at_once_here(store: KeyStore) -> None:
    key, secret = store.create("laptop")
    assert store.authenticate(secret) is not None
    assert store.revoke(key.id).revoked == 1_000.0
    assert store.authenticate(secret) is None


def test_a_revoked_key_stops_elsewhere_once_the_cache_is_old(
    store: KeyStore, url: str, clock: Clock
) -> None:
    other = KeyStore(url, cache_seconds=1.0, clock=clock, now=clock)
    key, secret = store.create("laptop")
    assert other.authenticate(secret) is not None
    store.revoke(key.id)
    assert other.authenticate(secret) is not None
    clock.now += 1.0
    assert other.authenticate(secret) is None
    other.close()


def test_revoking_twice_keeps_the_first_time(store: KeyStore, clock: Clock) -> None:
    key, _ = store.create("laptop")
    store.revoke(key.id)
    clock.now += 60
    assert store.revoke(key.id).revoked == 1_000.0


def test_revoking_what_is_not_there_says_so(store: KeyStore) -> None:
    with pytest.raises(KeyError):
        store.revoke("key_nothing")


def test_a_key_expires_even_while_remembered(store: KeyStore, clock: Clock) -> None:
    _, secret = store.create("laptop", expires=1_000.5)
    assert store.authenticate(secret) is not None
    clock.now = 1_000.5
    assert store.authenticate(secret) is None


def test_keys_are_listed_oldest_first_revoked_ones_too(store: KeyStore, clock: Clock) -> None:
    first, _ = store.create("first")
    clock.now += 1
    store.create("second")
    store.revoke(first.id)
    assert [(key.name, key.revoked is not None) for key in store.list()] == [
        ("first", True),
        ("second", False),
    ]


def test_what_is_remembered_is_bounded(url: str, clock: Clock) -> None:
    store = KeyStore(url, cache_size=2, clock=clock, now=clock)
    key, secret = store.create("laptop")
    store.authenticate(secret)
    for guess in ("a", "b", "c"):
        store.authenticate(guess)
    assert [store.remembered(guess)[0] for guess in ("a", "b", "c")] == [False, True, True]
    # Who guesses drives no key out.
    assert store.remembered(secret) == (True, key)
    store.close()


def break_database(tmp_path: Path) -> None:
    for path in (tmp_path / "home").glob("orfeon.db*"):
        path.unlink()
    (tmp_path / "home" / "orfeon.db").write_text("no database")


def test_without_the_database_a_known_key_is_good_for_a_while(
    url: str, clock: Clock, tmp_path: Path
) -> None:
    store = KeyStore(url, stale_seconds=60.0, clock=clock, now=clock)
    key, secret = store.create("laptop", expires=1_050.0)
    _, unused = store.create("never used here")
    assert store.authenticate(secret) == key
    assert store.authenticate("wrong") is None
    store.close()
    break_database(tmp_path)
    clock.now += 30
    assert store.authenticate(secret) == key
    assert not store.reachable
    for unknown in (unused, "wrong"):
        with pytest.raises(ServiceUnavailable):
            store.authenticate(unknown)
    clock.now += 20
    assert store.authenticate(secret) is None, "it has expired"
    clock.now += 10
    with pytest.raises(ServiceUnavailable):
        store.authenticate(secret)
    store.close()


def test_without_the_database_a_revoked_key_stays_so(
    store: KeyStore, clock: Clock, tmp_path: Path
) -> None:
    key, secret = store.create("laptop")
    assert store.authenticate(secret) == key
    store.revoke(key.id)
    store.close()
    break_database(tmp_path)
    clock.now += 30
    assert store.authenticate(secret) is None


def test_a_database_that_is_away_is_tried_once_a_second(
    store: KeyStore, clock: Clock, url: str, tmp_path: Path
) -> None:
    key, secret = store.create("laptop")
    store.close()
    whole = (tmp_path / "home" / "orfeon.db").read_bytes()
    break_database(tmp_path)
    with pytest.raises(ServiceUnavailable):
        store.authenticate(secret)
    (tmp_path / "home" / "orfeon.db").write_bytes(whole)
    with pytest.raises(ServiceUnavailable):
        store.remembered(secret)
    clock.now += 1.0
    assert store.remembered(secret) == (False, None), "one may look"
    with pytest.raises(ServiceUnavailable):
        # However long the one that looks has to wait for a thread.
        store.remembered(secret)
    assert store.look_up(secret) == key
    assert store.reachable


def test_admin_allows_every_scope(store: KeyStore) -> None:
    key, _ = store.create("root", scopes=["admin"])
    assert key.allows("chat")
    limited, _ = store.create("limited", scopes=["chat"])
    assert limited.allows("chat")
    assert not limited.allows("speech")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": ""}, "name"),
        ({"name": "x", "priority_floor": 3}, "floor"),
        ({"name": "x", "scopes": ["everything"]}, "everything"),
        ({"name": "x", "scopes": []}, "scope"),
        ({"name": "x", "requests_per_minute": 0}, "rate"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    store: KeyStore, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        store.create(**arguments)  # type: ignore[arg-type]
