"""Where uploads lie: gone with the process, whichever way that ends."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from services.studio.scratch import scratch, sweep


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_lies_there_is_gone_afterwards(folder: Path) -> None:
    with scratch() as made:
        assert Path(made).parent == folder
        (Path(made) / "voice.wav").write_bytes(b"voice")
    assert list(folder.iterdir()) == []


def test_what_a_process_left_that_was_killed_goes_with_the_next(folder: Path) -> None:
    left = folder / "orfeon-studio-1"
    left.mkdir()
    (left / "voice.wav").write_bytes(b"voice")
    (folder / "of-another-program").mkdir()

    with scratch() as made:
        assert {path.name for path in folder.iterdir()} == {Path(made).name, "of-another-program"}


def test_what_a_process_has_that_runs_stays() -> None:
    with scratch() as one, scratch() as other:
        assert Path(one).exists()
        assert Path(other).exists()


def test_what_is_old_goes_and_what_is_new_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/old.png", "b/older.mp3"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"made")
    (folder / "precious").write_bytes(b"elsewhere")
    os.symlink(folder / "precious", folder / "a" / "link")
    sweep(folder / "a", 60)
    assert (folder / "a" / "old.png").exists()
    # As far as the files know it is now, however long this takes.
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    sweep(folder / "a", 60)
    assert list((folder / "a").iterdir()) == []
    assert (folder / "precious").exists()
    sweep(folder, 60)
    # The folders have changed just now, as far as they know.
    assert list(folder.iterdir()) == []


def test_a_folder_that_goes_meanwhile_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "going").mkdir()
    (folder / "old.png").write_bytes(b"made")
    list_of = os.scandir

    def without_going(path: Path | str) -> object:
        if Path(path).name == "going":
            raise FileNotFoundError(path)
        return list_of(path)

    monkeypatch.setattr(os, "scandir", without_going)
    # As far as the files know it is now, however long this takes.
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    sweep(folder, 60)
    assert not (folder / "old.png").exists()
