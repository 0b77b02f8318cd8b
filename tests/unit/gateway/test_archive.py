"""Files gathered part by part come back out of a zip archive as they were."""

import io
import zipfile

import pytest

from gateway.archive import Archive

#: Half of it stays in memory, half goes to disk.
PARTS = [bytes([number]) * 300_000 for number in range(8)]


async def packed(files: list[tuple[str, bytes]]) -> bytes:
    with Archive() as archive:
        for name, data in files:
            archive.add(name, data)
        return b"".join([piece async for piece in archive.pieces()])


async def test_parts_of_a_name_are_one_file_however_they_are_mixed() -> None:
    mixed = [(name, part) for part in PARTS for name in ("a.mp3", "b.json")]
    with zipfile.ZipFile(io.BytesIO(await packed([*mixed, ("c.mid", b"")]))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.mp3", "b.json", "c.mid"]
        assert archive.read("a.mp3") == archive.read("b.json") == b"".join(PARTS)
        assert archive.read("c.mid") == b""
        kinds = {entry.filename: entry.compress_type for entry in archive.infolist()}
    assert kinds["a.mp3"] == zipfile.ZIP_STORED
    assert kinds["b.json"] == zipfile.ZIP_DEFLATED


async def test_it_comes_in_pieces_and_is_the_same_each_time() -> None:
    files = [("a.mp3", part) for part in PARTS]
    with Archive() as archive:
        for name, data in files:
            archive.add(name, data)
        pieces = [piece async for piece in archive.pieces()]
    assert len(pieces) > 5
    assert b"".join(pieces) == await packed(files)


async def test_nothing_is_an_archive_too() -> None:
    with zipfile.ZipFile(io.BytesIO(await packed([]))) as archive:
        assert archive.namelist() == []


async def test_what_is_left_halfway_leaves_no_open_file() -> None:
    with pytest.raises(ZeroDivisionError), Archive() as archive:  # noqa: PT012 - both are needed
        archive.add("a.mp3", PARTS[0])
        raise ZeroDivisionError
