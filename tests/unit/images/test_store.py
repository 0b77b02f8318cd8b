"""Images that are kept: until their time has come, by names that nobody guesses."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from services.images.store import ImageStore, StoredFile
from services.runtime.errors import InsufficientStorage, NotFound

ME, OTHER = "alice", "bob"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store_in(folder: Path, clock: Clock, most_bytes: int = 100, share: float = 1.0) -> ImageStore:
    return ImageStore(folder / "images", seconds=60, most_bytes=most_bytes, share=share, now=clock)


def read(store: ImageStore, name: str) -> tuple[StoredFile, bytes]:
    """A file, and all of its bytes."""
    file, opened = store.open(name)
    with opened:
        return file, opened.read()


def test_a_file_is_there_until_its_time_has_come(tmp_path: Path, clock: Clock) -> None:
    store = store_in(tmp_path, clock)
    kept = store.add(b"one", "webp", ME)
    assert (kept.media_type, kept.size, kept.expires_at) == ("image/webp", 3, 1_000_060)
    clock.now += 59.9
    assert read(store, kept.id) == (kept, b"one")
    clock.now += 0.1
    with pytest.raises(NotFound):
        read(store, kept.id)


def test_sweeping_removes_what_has_expired_and_says_when_the_next_does(
    tmp_path: Path, clock: Clock
) -> None:
    store = store_in(tmp_path, clock)
    assert store.sweep() is None
    store.add(b"one", "png", ME)
    clock.now += 30
    later = store.add(b"two", "png", ME)
    assert store.sweep() == 1_000_060
    clock.now += 30
    assert store.sweep() == later.expires_at
    assert len(list((tmp_path / "images").iterdir())) == 1
    clock.now += 30
    assert store.sweep() is None
    assert list((tmp_path / "images").iterdir()) == []


def test_files_outlive_the_process_and_not_their_time(tmp_path: Path, clock: Clock) -> None:
    kept = store_in(tmp_path, clock).add(b"one", "png", ME)
    clock.now += 30
    assert read(store_in(tmp_path, clock), kept.id)[1] == b"one"
    clock.now += 30
    store_in(tmp_path, clock).sweep()
    assert list((tmp_path / "images").iterdir()) == []


def test_there_is_room_again_once_something_has_expired(tmp_path: Path, clock: Clock) -> None:
    store = store_in(tmp_path, clock, most_bytes=10)
    kept = store.add(b"12345678", "png", ME)
    with pytest.raises(InsufficientStorage, match="b64_json"):
        store.add(b"123", "png", ME)
    assert read(store, kept.id)[1] == b"12345678"
    clock.now += 60
    store.add(b"1234567890", "png", ME)


def test_nobody_takes_the_room_of_others(tmp_path: Path, clock: Clock) -> None:
    store = store_in(tmp_path, clock, most_bytes=20, share=0.25)
    store.add(b"12345", "png", ME)
    # Names of keys are whatever they are, and a restart forgets nothing.
    store = store_in(tmp_path, clock, most_bytes=20, share=0.25)
    for owner in (OTHER, "", "../b.c/\0"):
        store.check_room(owner)
        store.add(b"1234", "png", owner)
    for attempt in (lambda: store.check_room(ME), lambda: store.add(b"1", "webp", ME)):
        with pytest.raises(InsufficientStorage, match="your images"):
            attempt()
    clock.now += 60
    store.add(b"12345", "png", ME)


def test_who_reads_reads_to_the_end_though_its_time_comes(tmp_path: Path, clock: Clock) -> None:
    store = store_in(tmp_path, clock)
    kept = store.add(b"one", "png", ME)
    found, opened = store.open(kept.id)
    with opened:
        assert found == kept
        clock.now += 60
        store.sweep()
        assert list((tmp_path / "images").iterdir()) == []
        assert opened.read() == b"one"


def test_names_are_long_random_and_for_the_owner_alone(tmp_path: Path, clock: Clock) -> None:
    store = store_in(tmp_path, clock)
    names = {store.add(b"1", "png", ME).id for _ in range(20)}
    assert len(names) == 20
    assert {len(name) for name in names} == {43}
    assert (tmp_path / "images").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "images").iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["", ".", "../secret", "a" * 43, "ä" * 43, "a" * 42 + "\n"])
def test_names_that_are_none_are_not_looked_for(tmp_path: Path, clock: Clock, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    store = store_in(tmp_path, clock)
    store.add(b"1", "png", ME)
    with pytest.raises(NotFound):
        read(store, name)


def test_a_file_that_is_being_written_is_not_swept_away(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = time.time() + 1
    store, utime = store_in(tmp_path, clock), os.utime
    sweeping = threading.Thread(target=store.sweep)

    def before_it_has_its_time(*given: Any) -> None:
        sweeping.start()
        sweeping.join(0.05)
        utime(*given)

    monkeypatch.setattr(os, "utime", before_it_has_its_time)
    kept = store.add(b"one", "png", ME)
    sweeping.join()
    assert read(store, kept.id) == (kept, b"one")
