"""`orfeon melody` writes a file as its events come."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import orfeon
from orfeon.cli.app import app
from orfeon.cli.melody import show


def stream(*events: dict[str, Any]) -> httpx.Response:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return httpx.Response(200, text="".join([*lines, "data: [DONE]\n\n"]))


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


CREATED = {"type": "melody.created", "seed": 7}


def test_what_comes_is_written_and_the_seed_is_told() -> None:
    file = io.BytesIO()
    answer = stream(
        CREATED,
        {"type": "melody.progress", "progress": 0.5},
        {"type": "melody.audio.delta", "audio": coded(b"so")},
        {"type": "melody.audio.delta", "audio": coded(b"und")},
        {"type": "melody.done", "usage": {}},
    )
    assert show(answer, file) == 7
    assert file.getvalue() == b"sound"


def test_notes_are_written_too() -> None:
    file = io.BytesIO()
    part = {"type": "melody.artifact", "name": "melody.mid", "data": coded(b"MThd")}
    show(stream(CREATED, part), file)
    assert file.getvalue() == b"MThd"


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "melody.audio.delta"}],
        [{"type": "melody.audio.delta", "audio": "?"}],
        [{"type": "melody.progress", "progress": "half"}],
        [{"seed": 7}],
        [{"type": "melody.done"}],
    ],
)
def test_an_answer_of_something_else_is_an_error(events: list[dict[str, Any]]) -> None:
    with pytest.raises(orfeon.OrfeonError, match="not one of Orfeón's"):
        show(stream(*events), io.BytesIO())


def test_a_name_that_tells_no_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["melody", "-o", str(tmp_path / "tune.doc")])
    assert done.exit_code == 1
    assert "end it in .mp3" in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())
