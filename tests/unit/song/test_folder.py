"""The files of a job: whole or not there, and nobody else's."""

import errno
import os
from pathlib import Path

import pytest

from services.runtime.errors import InsufficientStorage, NotFound
from services.song.folder import JobFolder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_artifacts_are_listed_with_the_song_first(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path, "song_1")
    assert folder.artifacts() == []
    folder.publish({"stem-bass.flac": b"123", "lyrics.txt": b"", "cover.png": b"12"})
    folder.publish({"song.mp3": b"1"})
    folder.keep({"music.flac": b"secret"})
    found = [(file.name, file.bytes, file.media_type) for file in folder.artifacts()]
    assert found == [
        ("song.mp3", 1, "audio/mpeg"),
        ("lyrics.txt", 0, "text/plain; charset=utf-8"),
        ("cover.png", 2, "image/png"),
        ("stem-bass.flac", 3, "audio/flac"),
    ]
    assert folder.artifact("cover.png")[1].read_bytes() == b"12"
    assert folder.kept("music.flac") == b"secret"


@pytest.mark.parametrize("name", ["music.flac", "../kept/music.flac", "", ".", "/etc/passwd"])
def test_only_artifacts_can_be_had(tmp_path: Path, name: str) -> None:
    folder = JobFolder(tmp_path, "song_1")
    folder.keep({"music.flac": b"secret"})
    folder.publish({"song.mp3": b"1"})
    with pytest.raises(NotFound):
        folder.artifact(name)


def test_of_files_that_find_no_room_none_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path, "song_1")
    folder.publish({"lyrics.txt": b"before"})
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InsufficientStorage):
        folder.publish({"song.mp3": b"1", "cover.png": b"2"})
    assert files(tmp_path) == ["song_1/artifacts/lyrics.txt"]


def test_another_fault_of_the_disk_is_no_lack_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        JobFolder(tmp_path, "song_1").publish({"song.mp3": b"1"})


def test_a_job_takes_files_over_and_does_not_change_them_for_the_other(tmp_path: Path) -> None:
    first, second = JobFolder(tmp_path, "song_1"), JobFolder(tmp_path, "song_2")
    first.publish({"melody.mid": b"old"})
    first.keep({"music.flac": b"old"})
    second.take_over(first, ["melody.mid", "music.flac"])
    assert second.kept("music.flac") == b"old"
    second.publish({"melody.mid": b"new"})
    assert first.artifact_bytes("melody.mid") == b"old"
    first.remove()
    assert second.kept("music.flac") == b"old"
    with pytest.raises(NotFound):
        JobFolder(tmp_path, "song_3").take_over(first, ["melody.mid"])


def test_a_voice_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path, "song_1")
    folder.keep_voice([b"one", b"two"])
    assert folder.voice().read_bytes() == b"onetwo"
    assert (tmp_path / "song_1").stat().st_mode & 0o077 == 0
    for _ in range(2):
        folder.forget_voice()
        assert files(tmp_path) == []


def test_a_folder_that_goes_while_it_is_listed_is_empty_and_closed(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path, "song_1")
    folder.publish({"song.mp3": b"1", "cover.png": b"12"})
    for name in ("a", "m", "z"):
        # As a file that is removed between its name and its size.
        (tmp_path / "song_1" / "artifacts" / name).symlink_to("nowhere")
    # What is left open is an error of the test.
    assert folder.artifacts() == []
