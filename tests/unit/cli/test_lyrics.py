"""`orfeon lyrics` shows a song as it comes."""

import json
from typing import Any

import httpx
import pytest

import orfeon
from orfeon.cli.lyrics import show


def stream(*events: dict[str, Any]) -> httpx.Response:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return httpx.Response(200, text="".join([*lines, "data: [DONE]\n\n"]))


def line(section: int, kind: str, text: str) -> dict[str, Any]:
    return {"type": "lyrics.line", "section": section, "kind": kind, "text": text, "syllables": 1}


def test_sections_have_headings_and_the_seed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        stream(
            {"type": "lyrics.created", "seed": 7},
            line(0, "verse", "One"),
            line(0, "verse", "\x1b[2JTwo"),
            line(1, "pre-chorus", "Three"),
            {"type": "lyrics.done", "usage": {}},
        )
    )
    printed = capsys.readouterr()
    assert printed.out == "[Verse]\nOne\n[2JTwo\n\n[Pre-chorus]\nThree\n"
    assert printed.err == "seed 7\n"


@pytest.mark.parametrize("event", [{"type": "lyrics.line"}, {"kind": "verse"}])
def test_an_answer_of_something_else_is_an_error(event: dict[str, Any]) -> None:
    with pytest.raises(orfeon.OrfeonError, match="not one of Orfeón's"):
        show(stream(event))
