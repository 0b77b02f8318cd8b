"""What runs and what waits, as the page of the queue shows it."""

import html
import re
from collections.abc import Sequence
from typing import Any

import pytest

from orfeon import QueueEntry
from orfeon.jobs import Job, job_of
from services.studio import queueboard
from services.studio.texts import LANGUAGES, Texts
from tests.fakes import jobs

EN, ES = Texts("en"), Texts("es")
NASTY = "<script>alert(1)</script>"


def entry(**facts: Any) -> QueueEntry:
    known: dict[str, Any] = {
        "request_id": "req_1", "model": "smollm2", "capability": "chat", "priority": 1,
        "state": "queued", "seconds": 3.4, "position": 2, "estimated_wait": 7.6,
    }  # fmt: skip
    return QueueEntry(**{**known, **facts})


def board(requests: Sequence[QueueEntry], songs: Sequence[Job], t: Texts) -> str:
    """The board, with what people wrote as a browser reads it, but for what opens an element."""
    shown = queueboard.board(requests, songs, t)
    return re.sub(r"&#(?!60;)\d+;", lambda found: html.unescape(found[0]), shown)


def job(status: str = "in_progress", **said: Any) -> Job:
    return job_of(jobs.job(status, **said))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_told_as_nothing(language: str) -> None:
    t = Texts(language)
    shown = board([], [], t)
    assert t("queue.no_requests") in shown
    assert t("queue.no_jobs") in shown
    assert t("queue.ended") not in shown


def test_a_request_that_waits_says_its_place_and_how_long() -> None:
    shown = board([entry()], [], ES)
    for told in ("smollm2", "chat", "en espera", "número 3", "8 s", "3 s", "normal"):
        assert told in shown


def test_a_request_that_runs_has_no_place() -> None:
    shown = board([entry(state="running", position=0, estimated_wait=None, priority=2)], [], EN)
    assert "running" in shown
    assert "background" in shown
    assert "number" not in shown


def test_keys_are_shown_where_the_gateway_tells_them() -> None:
    assert "<th" in board([entry()], [], EN)
    assert EN("queue.key") not in board([entry()], [], EN)
    shown = board([entry(key_id="key_1"), entry()], [], EN)
    assert "key_1" in shown
    assert f">{EN('queue.key')}</th>" in shown


def test_a_song_shows_its_step_and_can_be_cancelled() -> None:
    shown = board([], [job(estimated_seconds=150.0, song=jobs.song(title="Home"))], EN)
    for told in ("Home", "making music", "about 2 min left", '<progress max="100" value="41"',
                 'data-act="cancel" data-id="song_1"', 'aria-label="Cancel Home"'):  # fmt: skip
        assert told in shown


def test_a_song_that_waits_says_its_place() -> None:
    shown = board([], [job("queued", queue_position=4, progress=0.0)], ES)
    assert "número 4" in shown
    assert "Canción sin título" in shown


@pytest.mark.parametrize(("status", "opens"), [("completed", True), ("failed", False),
                                               ("cancelled", False)])  # fmt: skip
def test_a_song_that_has_ended_cannot_be_cancelled(status: str, opens: bool) -> None:
    shown = board([], [job(status)], EN)
    assert EN(f"queue.status_{status}") in shown
    assert 'data-act="cancel"' not in shown
    assert ('href="song?job=song_1"' in shown) is opens


def test_titles_are_text() -> None:
    shown = board(
        [entry(model=NASTY, capability=NASTY, key_id=NASTY)],
        [
            job(song=jobs.song(title=NASTY), step=NASTY),
            job("completed", song=jobs.song(title=NASTY)),
        ],
        EN,
    )
    assert "<script" not in shown
    assert "&#60;script>" in shown
