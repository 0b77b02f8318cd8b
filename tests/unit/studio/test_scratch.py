"""Where uploads lie: gone with the process, whichever way that ends."""

import tempfile
from pathlib import Path

import pytest

from services.studio.scratch import scratch


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
