import os
from pathlib import Path

import pytest

from orfeon.cli.writing import written


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    output, other = tmp_path / "a.wav", tmp_path / "a.wav.part"
    other.write_bytes(b"mine")
    with written(output) as file:
        file.write(b"sound")
        assert not output.exists()
    assert output.read_bytes() == b"sound"
    with pytest.raises(ZeroDivisionError), written(output) as file:  # noqa: PT012 - both are needed
        file.write(b"half")
        raise ZeroDivisionError
    assert output.read_bytes() == b"sound"
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "a.wav.part"}
    assert other.read_bytes() == b"mine"


def test_what_is_no_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.wav", tmp_path / "link.wav"
    link.symlink_to(real)
    with written(link) as file:
        file.write(b"sound")
    assert link.is_symlink()
    assert real.read_bytes() == b"sound"
    with written(Path(os.devnull)) as file:
        file.write(b"sound")
    assert Path(os.devnull).is_char_device()


def test_without_a_folder_for_it_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing, written(tmp_path / "none" / "a.wav"):
        pass
    assert missing.value.filename == str(tmp_path / "none")
