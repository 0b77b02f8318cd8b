"""What `--data` names, down to data sets of a hub."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from services.emotion.corpora import Recording, Skipped
from services.emotion.training.data import Clips, load, save
from services.emotion.training.errors import Misuse
from services.emotion.training.hub import downloaded


class Audio:
    """A column of sound, as the package datasets has it."""

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


@dataclass
class ClassLabel:
    names: list[str]


@dataclass
class Table:
    """A part of a data set."""

    features: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def column_names(self) -> list[str]:
        return list(self.features)

    def cast_column(self, name: str, to: Audio) -> "Table":
        assert not to.decode
        assert isinstance(self.features[name], Audio)
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Table]]:
    """Data sets by name, and what stands in for the package."""
    sets: dict[str, dict[str, Table]] = {}

    def load_dataset(name: str, configuration: str | None) -> dict[str, Table]:
        if name not in sets:
            raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub\nSee its pages.")
        return sets[name]

    module = ModuleType("datasets")
    module.__dict__.update(Audio=Audio, ClassLabel=ClassLabel, load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return sets


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"audio": {"bytes": b"RIFF%d" % number, "path": f"{number}.flac"}, **more}


def test_any_label_set_of_a_hub_will_do(hub: dict[str, dict[str, Table]], tmp_path: Path) -> None:
    # As MInDS-14 has it.
    features = {"audio": Audio(), "intent_class": ClassLabel(["abroad", "address"])}
    rows = [row(0, intent_class=1), row(1, intent_class=0)]
    hub["PolyAI/minds14"] = {"train": Table(features, rows)}
    found = downloaded("PolyAI/minds14:en-GB", tmp_path)
    assert [(each.label, each.speaker, each.split) for each in found] == [
        ("address", "", ""),
        ("abroad", "", ""),
    ]
    assert found[0].path.read_bytes() == b"RIFF0"
    assert found[0].path.suffix == ".flac"


def test_parts_and_speakers_of_a_hub_are_kept(
    hub: dict[str, dict[str, Table]], tmp_path: Path
) -> None:
    features = {"audio": Audio(), "label": None, "speaker_id": None}
    hub["acme/calls"] = {
        name: Table(features, [row(0, label="sad", speaker_id=number)])
        for number, name in enumerate(("train", "dev", "test", "other"))
    }
    found = downloaded("acme/calls", tmp_path)
    assert [each.split for each in found] == ["train", "validation", "test", "train"]
    assert [each.speaker for each in found] == [f"acme/calls/{at}" for at in range(4)]
    assert len({each.path for each in found}) == 4


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"text": None, "label": None}, "has no audio"),
        ({"audio": Audio(), "text": None}, "has none of the columns label, labels, emotion"),
    ],
)
def test_a_data_set_that_cannot_be_learned_is_told_so(
    features: dict[str, Any], sentence: str, hub: dict[str, dict[str, Table]], tmp_path: Path
) -> None:
    hub["acme/texts"] = {"train": Table(features)}
    with pytest.raises(Misuse, match=sentence):
        downloaded("acme/texts", tmp_path)


def test_a_data_set_that_is_not_there_is_told_so_in_one_line(
    hub: dict[str, dict[str, Table]], tmp_path: Path
) -> None:
    with pytest.raises(Misuse, match=r"^The data set a/b cannot be loaded: .* on the Hub$"):
        downloaded("a/b", tmp_path)


def test_clips_come_back_as_they_were_split(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").write_bytes(name.encode())
    clips = Clips(
        [
            Recording(tmp_path / "a.wav", "sad", "ravdess/01", "train"),
            Recording(tmp_path / "b.wav", "joyful, or so", "", "test"),
        ],
        [Skipped(tmp_path / "c.wav", "It is no audio.")],
        ["Nobody knows who speaks."],
    )
    save(clips, tmp_path / "clips.csv")
    assert load(tmp_path / "clips.csv") == clips
    (tmp_path / "a.wav").unlink()
    with pytest.raises(Misuse, match=r"1 clips of the training have gone, such as a\.wav"):
        load(tmp_path / "clips.csv")


def test_no_clips_mean_no_training(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="holds no training to resume"):
        load(tmp_path / "clips.csv")
