"""What was uploaded does not outlive the work on it."""

import io
from pathlib import Path

import gradio as gr
import pytest
from gradio import route_utils

from services.studio.texts import LANGUAGES, Texts, sentences
from services.studio.uploads import apart, consumed, discard

EN = Texts("en")


def uploaded(folder: Path, content: bytes, name: str = "voice.wav") -> Path:
    """A file as Gradio lays it down: in a folder of its own."""
    own = folder / "0123abcd"
    own.mkdir(exist_ok=True)
    file = own / name
    file.write_bytes(content)
    return file


def test_a_file_is_there_during_the_work_and_gone_after_it(tmp_path: Path) -> None:
    file = uploaded(tmp_path, b"x" * 100)
    with consumed(str(file), EN) as path:
        assert path.read_bytes() == b"x" * 100
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_gone_after_work_that_failed(tmp_path: Path) -> None:
    file = uploaded(tmp_path, b"x" * 100)
    with pytest.raises(ValueError, match="broken"), consumed(str(file), EN):
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"x" * 44], ids=["no byte", "a header alone"])
def test_an_empty_file_is_refused_with_a_sentence_and_gone(tmp_path: Path, content: bytes) -> None:
    file = uploaded(tmp_path, content)
    with pytest.raises(gr.Error, match="holds nothing"), consumed(str(file), EN):
        pytest.fail("there is nothing to work on")
    assert list(tmp_path.iterdir()) == []


def test_no_file_and_a_missing_file_are_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(gr.Error, match="no recording or file yet"), consumed(None, EN):
        pytest.fail("there is nothing to work on")
    missing = str(tmp_path / "0123abcd" / "voice.wav")
    with pytest.raises(gr.Error, match="already used"), consumed(missing, EN):
        pytest.fail("there is nothing to work on")


def test_deleting_one_of_two_names_leaves_the_other(tmp_path: Path) -> None:
    first, second = uploaded(tmp_path, b"x"), uploaded(tmp_path, b"x", "again.wav")
    discard(str(first))
    discard(str(first))
    discard(None)
    assert second.exists()
    assert not first.exists()


def test_every_refusal_is_said_in_every_language() -> None:
    for name in ("nothing", "gone", "empty"):
        assert set(sentences()[f"uploads.{name}"]) == set(LANGUAGES)


def test_the_same_is_uploaded_to_a_folder_of_its_own_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(route_utils, "GradioUploadFile", route_utils.GradioUploadFile)
    apart()
    names = {route_utils.GradioUploadFile(io.BytesIO()).sha.hexdigest() for _ in range(10)}
    assert len(names) == 10
