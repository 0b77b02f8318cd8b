import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.studio.made import Made, size_of
from services.studio.texts import Texts


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


async def pieces(fails: bool = False) -> AsyncIterator[bytes]:
    yield b"abc"
    if fails:
        raise ConnectionError
    yield b"de"


async def test_a_file_grows_as_its_pieces_come() -> None:
    made = Made("voice.mp3")
    assert not made.whole
    await made.write(pieces())
    assert (made.path.read_bytes(), made.size, made.whole) == (b"abcde", 5, True)
    assert made.address(Texts("es")) == f"/studio/es/gradio_api/file={made.path}"


async def test_a_file_that_was_not_finished_leaves_nothing(folder: Path) -> None:
    made = Made("voice.mp3")
    with pytest.raises(ConnectionError):
        await made.write(pieces(fails=True))
    assert (made.size, made.whole) == (3, False)
    made.discard()
    assert os.listdir(folder) == []
    made.discard()


def test_nobody_guesses_where_a_file_is(folder: Path) -> None:
    first, second = Made("voice.mp3"), Made("voice.mp3")
    assert first.path != second.path
    assert first.path.relative_to(folder).parts[1] == "voice.mp3"
    assert len(first.path.parent.name) >= 32


@pytest.mark.parametrize(("count", "read"), [(0, "0 kB"), (53_300, "52 kB"), (5_000_000, "4.8 MB")])
def test_sizes_are_read_as_people_read_them(count: int, read: str) -> None:
    assert size_of(count) == read
