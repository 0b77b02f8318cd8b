"""The lines that a training writes for other programs."""

import json
from pathlib import Path

import pytest

from services.emotion.training.events import Events


def test_every_kind_of_line_has_the_same_five_fields(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = Events(file, clock=lambda: 12.9)
    events.message("Half of the clips are unreadable.", "warn")
    events.metrics("step 3", {"step": 3, "total_steps": 9, "train_loss": 0.5})
    events.checkpoint(3, tmp_path / "checkpoint-3", {"accuracy": 0.5})
    events.result(tmp_path / "mood", 40, "test", {"accuracy": 0.75})

    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["type"] for line in lines] == ["message", "metrics", "checkpoint", "result"]
    assert all(line.keys() == {"created_at", "level", "type", "message", "data"} for line in lines)
    assert [line["level"] for line in lines] == ["warn", "info", "info", "info"]
    assert {line["created_at"] for line in lines} == {12}
    assert lines[1]["data"] == {"step": 3, "total_steps": 9, "train_loss": 0.5}
    assert lines[2]["data"]["metrics"] == {"accuracy": 0.5}
    assert (lines[3]["data"]["model"], lines[3]["data"]["part"]) == ("mood", "test")


def test_what_is_no_number_is_refused_rather_than_written_as_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        Events(tmp_path / "events.jsonl").metrics("step 1", {"train_loss": float("nan")})


def test_without_a_file_nothing_is_told(tmp_path: Path) -> None:
    Events(None).message("Nobody listens.")
    assert list(tmp_path.iterdir()) == []


def test_a_second_training_appends(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    Events(file).message("first")
    Events(file).message("second")
    assert len(file.read_text("utf-8").splitlines()) == 2
