from pathlib import Path

import pytest

from services.emotion.corpus import CorpusError, ravdess


def clip(folder: Path, name: str, content: bytes) -> None:
    actor = folder / f"Actor_{name.split('-')[-1].split('.')[0]}"
    actor.mkdir(exist_ok=True)
    (actor / name).write_bytes(content)


def test_names_tell_emotion_and_speaker_and_copies_are_left_out(tmp_path: Path) -> None:
    clip(tmp_path, "03-01-05-02-01-01-12.wav", b"angry")
    clip(tmp_path, "03-01-03-01-02-01-07.flac", b"happy")
    clip(tmp_path, "03-01-03-01-02-02-07.flac", b"happy")
    clip(tmp_path, "03-01-02-01-01-01-07.flac", b"calm")
    clip(tmp_path, "03-01-08-01-01-01-07.flac", b"surprised")
    clip(tmp_path, "03-01-notes-07.txt", b"no clip")
    found = [(each.label, each.speaker, each.path.name) for each in ravdess(tmp_path)]
    assert found == [
        ("happy", 7, "03-01-03-01-02-01-07.flac"),
        ("angry", 12, "03-01-05-02-01-01-12.wav"),
    ]


def test_a_folder_without_the_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="RAVDESS"):
        ravdess(tmp_path / "nowhere")
