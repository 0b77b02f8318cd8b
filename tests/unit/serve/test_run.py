"""Keys and folders around the supervisor."""

import stat
from pathlib import Path

import pytest

from orfeon.access import Access, read_access, write_access
from orfeon.serve.plan import Choices
from orfeon.serve.run import first_key, run_folder


class FakeKeys:
    """Keys by their secrets."""

    def __init__(self, *live: str) -> None:
        self.live = set(live)

    def has_live(self) -> bool:
        return bool(self.live)

    def is_live(self, secret: str) -> bool:
        return secret in self.live

    def create(self, name: str) -> str:
        self.live.add(name)
        return name


def test_the_first_start_makes_a_key_and_the_next_finds_it() -> None:
    keys = FakeKeys()

    assert first_key(keys, None) == ("first key", True)
    assert first_key(keys, "first key") == ("first key", False)


def test_a_lost_note_makes_no_key_while_there_are_others() -> None:
    assert first_key(FakeKeys("other"), None) == (None, False)
    assert first_key(FakeKeys("other"), "revoked") == (None, False)


def test_a_home_whose_keys_are_all_dead_gets_a_new_one() -> None:
    assert first_key(FakeKeys(), "revoked") == ("first key", True)


def test_the_note_is_for_its_owners_eyes_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_access(home, Access("http://a/v1", "old"))
    write_access(home, Access("http://a/v1", "secret", "http://a:7860"))

    assert read_access(home) == Access("http://a/v1", "secret", "http://a:7860")
    assert stat.S_IMODE((home / "server.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == ["server.json"]


@pytest.mark.parametrize("text", ["", "[]", "not json"])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    assert read_access(tmp_path) == Access()
    (tmp_path / "server.json").write_text(text)

    assert read_access(tmp_path) == Access()


def test_the_socket_folder_is_private_short_and_gone_afterwards(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()

    with run_folder(Choices(tmp_path, ("chat",)), {"XDG_RUNTIME_DIR": str(deep)}) as folder:
        assert not folder.is_relative_to(deep)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert list(deep.iterdir()) == []
