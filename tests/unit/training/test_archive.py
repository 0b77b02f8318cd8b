"""Archives that nobody can trust."""

import bz2
import contextlib
import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.training.archive import ArchiveError, Limits, entries, unpack

LIMITS = Limits(entries=10, bytes=100_000)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "archive"
    path.write_bytes(data)
    return path


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(*infos: tarfile.TarInfo, data: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def names(path: Path) -> list[str]:
    return ["/".join(entry.parts) for entry in entries(path, LIMITS)]


PLAIN = tarred(tarfile.TarInfo("happy/1.wav"), tarfile.TarInfo("sad/2.wav"), data=b"abc")


@pytest.mark.parametrize(
    "data",
    [
        zipped(**{"happy/1.wav": b"abc", "sad/2.wav": b"abc"}),
        PLAIN,
        gzip.compress(PLAIN),
        bz2.compress(PLAIN),
    ],
    ids=["zip", "tar", "gz", "bz2"],
)
def test_what_is_packed_comes_out(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    assert names(path) == ["happy/1.wav", "sad/2.wav"]
    unpack(path, tmp_path / "out", LIMITS, lambda: False)
    assert (tmp_path / "out/happy/1.wav").read_bytes() == b"abc"


def test_what_packers_hide_is_left_out(tmp_path: Path) -> None:
    hidden = {"__MACOSX/happy/._1.wav": b"x", "happy/.DS_Store": b"x", ".git/config": b"x"}
    assert names(written(tmp_path, zipped(**{"happy/1.wav": b"x"}, **hidden))) == ["happy/1.wav"]


def refused(tmp_path: Path, data: bytes) -> str:
    path = written(tmp_path, data)
    with pytest.raises(ArchiveError) as raised:
        unpack(path, tmp_path / "out", LIMITS, lambda: False)
    return str(raised.value)


def test_more_files_or_bytes_than_allowed_are_refused(tmp_path: Path) -> None:
    assert "more than 10 files" in refused(tmp_path, zipped(**{f"{n}.wav": b"" for n in range(11)}))
    assert "100,000 bytes" in refused(tmp_path, zipped(a=b"\0" * 100_001))
    assert "100,000 bytes" in refused(
        tmp_path, gzip.compress(tarred(tarfile.TarInfo("a"), data=b"\0" * 100_001))
    )


def test_a_zip_that_lies_of_its_sizes_is_refused(tmp_path: Path) -> None:
    honest = zipped(a=b"\0" * 1_000_000)
    size = struct.pack("<L", 1_000_000)
    lying = honest.replace(size, struct.pack("<L", 10))
    assert lying != honest
    assert "damaged" in refused(tmp_path, lying)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= 100_000


def test_a_zip_with_a_huge_table_of_contents_is_refused_unread(tmp_path: Path) -> None:
    data = bytearray(zipped(a=b"x"))
    end = data.rfind(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<L", 2**31)
    assert "table of contents" in refused(tmp_path, bytes(data))


def test_a_tar_with_a_huge_header_is_refused_unread(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    assert "header that is too large" in refused(
        tmp_path, info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 9999
    )


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("happy/1.wav")
    info.type, info.linkname = kind, "/etc/passwd"
    assert "link or a device" in refused(tmp_path, tarred(info))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("happy/1.wav")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert "link or a device" in refused(tmp_path, buffer.getvalue())


@pytest.mark.parametrize(
    "name",
    ["../a", "a/../../b", "/a", "\\a", "..\\a", "C:/a", "a" * 300, "/".join("a" * 20)],
)
def test_paths_that_lead_out_or_are_too_long_are_refused(tmp_path: Path, name: str) -> None:
    assert "The archive holds a path" in refused(tmp_path, zipped(**{name: b"x"}))
    assert not (tmp_path / "b").exists()


def test_an_encrypted_or_oddly_compressed_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(a=b"x"))
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(start) + place] |= 1
    assert "encrypted" in refused(tmp_path, bytes(data))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x")
    assert "unusual way" in refused(tmp_path, buffer.getvalue())


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    twice = tarred(tarfile.TarInfo("a/b"), tarfile.TarInfo("./a//b"))
    assert "a/b twice" in refused(tmp_path, twice)
    assert "both as a file and as a folder" in refused(
        tmp_path, tarred(tarfile.TarInfo("a"), tarfile.TarInfo("a/b"))
    )
    assert "both as a file and as a folder" in refused(
        tmp_path, tarred(tarfile.TarInfo("x/b"), tarfile.TarInfo("x"))
    )


def test_who_cancels_is_heard(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    unpack(path, tmp_path / "out", LIMITS, lambda: True)
    assert not any(each.stat().st_size for each in (tmp_path / "out").rglob("*.wav"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_archives_that_are_damaged_anywhere_end_in_a_sentence(
    tmp_path: Path, data: st.DataObject
) -> None:
    whole = data.draw(
        st.sampled_from([zipped(**{"happy/1.wav": b"abc" * 50}), gzip.compress(PLAIN), PLAIN])
    )
    broken = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for _ in range(data.draw(st.integers(0, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path, bytes(broken))
    with contextlib.suppress(ArchiveError):
        for entry in entries(path, LIMITS):
            assert ".." not in entry.parts
