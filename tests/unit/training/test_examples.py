"""What a training file is taken to hold."""

import io
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from services.training.archive import ArchiveError, Limits
from services.training.examples import Examples, Row, data_path, look_through

LIMITS = Limits(1000, 10**9)


def looked_through(folder: Path, **files: str) -> Examples:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    path = folder / "archive"
    path.write_bytes(buffer.getvalue())
    return look_through(path, LIMITS)


def test_folders_are_labels_and_those_within_speakers(tmp_path: Path) -> None:
    found = looked_through(tmp_path, **{"happy/Ann/1.wav": "", "sad/2.wav": ""})
    assert found.rows == [
        Row(PurePosixPath("happy/Ann/1.wav"), "happy", "Ann"),
        Row(PurePosixPath("sad/2.wav"), "sad"),
    ]
    assert data_path(Path("/d"), [found]) == Path("/d/training")


@pytest.mark.parametrize("around", ["", "my set/"])
def test_a_folder_around_everything_is_no_label(tmp_path: Path, around: str) -> None:
    files = {f"{around}{name}": "" for name in ("happy/1.wav", "sad/2.wav")}
    found = looked_through(tmp_path, **files)
    assert [row.label for row in found.rows] == ["happy", "sad"]
    assert data_path(Path("/d"), [found]) == Path("/d/training") / around.rstrip("/")


def test_the_only_label_stays_one(tmp_path: Path) -> None:
    found = looked_through(tmp_path, **{"happy/1.wav": "", "happy/2.wav": ""})
    assert {row.label for row in found.rows} == {"happy"}


@pytest.mark.parametrize("around", ["", "set/"])
@pytest.mark.parametrize("name", ["metadata.csv", "list.CSV"])
def test_a_table_says_it_all(tmp_path: Path, around: str, name: str) -> None:
    table = "\ufeffpath,label,speaker,split,notes\n a/1.wav , happy ,Ann,test,x\n2.wav,sad,,,\n"
    found = looked_through(
        tmp_path, **{around + name: table, f"{around}a/1.wav": "", f"{around}2.wav": ""}
    )
    assert found.rows == [
        Row(PurePosixPath(around) / "a/1.wav", "happy", "Ann", "test"),
        Row(PurePosixPath(around) / "2.wav", "sad"),
    ]
    assert data_path(Path("/d"), [found]) == Path("/d/training") / around / name


def test_of_several_tables_the_one_that_is_called_so_counts(tmp_path: Path) -> None:
    row = "path,label\n1.wav,happy\n"
    found = looked_through(tmp_path, **{"metadata.csv": row, "other.csv": "x\n", "1.wav": ""})
    assert found.table == "metadata.csv"
    with pytest.raises(ArchiveError, match=r"several tables; call the one to use metadata\.csv"):
        looked_through(tmp_path, **{"one.csv": row, "other.csv": row, "1.wav": ""})


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "no column path"),
        ("path\n1.wav\n", "no column label"),
        ("path,label\n", "No path of the table"),
        ("path,label\n/1.wav,x\n", "leads out of the archive in line 2"),
        ("path,label\n1.wav,x\na/../../1.wav,x\n", "leads out of the archive in line 3"),
        ("path,label\n..\\1.wav,x\n", "leads out of the archive"),
        ('path,label\n"1.wav', "line 2 lacks a path or a label"),
        ("path,label\n1.wav,x\n,x\n", "line 3 lacks a path or a label"),
        ("path,label\n" + "x" * 200_000 + ",y\n", "cannot be read"),
    ],
    ids=range(9),
)
def test_a_table_that_will_not_do_is_told_so(tmp_path: Path, table: str, sentence: str) -> None:
    with pytest.raises(ArchiveError, match=sentence):
        looked_through(tmp_path, **{"metadata.csv": table, "1.wav": ""})


def test_tables_alone_are_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no recordings"):
        looked_through(tmp_path, **{"metadata.csv": "path,label\n"})
