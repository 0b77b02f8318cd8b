"""What people see while a song is made, and of their jobs."""

import io
from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console

from orfeon.cli.jobs import shown
from orfeon.cli.song import follow, said
from orfeon.jobs import Job, SongFacts

SONG = SongFacts("rock", "Home", None, None, None, 7, None, None, None)
QUEUED = Job(
    id="song_1", status="queued", step="lyrics", progress=0.0, queue_position=3,
    estimated_seconds=95.0, priority=2, created_at=100, started_at=None, ended_at=None,
    expires_at=None, repeated_from=None, error=None, song=SONG, artifacts=(),
)  # fmt: skip
COMPOSING = replace(
    QUEUED, status="in_progress", step="melody", progress=0.4, queue_position=None,
    estimated_seconds=20.0,
)  # fmt: skip
DONE = replace(
    COMPOSING, status="completed", step="mix", progress=1.0, ended_at=130, expires_at=86_530
)


def test_a_job_says_where_it_is_and_how_long_it_takes() -> None:
    assert said(QUEUED) == "waiting, number 3 in the queue, about 2 min left"
    assert said(COMPOSING) == "composing, about 20 s left"
    assert said(DONE) == "mixing"
    assert said(replace(COMPOSING, estimated_seconds=None)) == "composing"


def test_whoever_looks_on_sees_each_step() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    seen: list[str] = []

    def states() -> Iterator[Job]:
        for job in (QUEUED, COMPOSING, DONE):
            yield job
            seen.append(console.file.getvalue())  # type: ignore[attr-defined]

    assert follow(states(), QUEUED, console) is DONE
    assert "number 3 in the queue" in seen[-1]


def test_nothing_is_drawn_into_a_file() -> None:
    console = Console(file=io.StringIO(), width=100)
    assert follow(iter([COMPOSING, DONE]), QUEUED, console) is DONE
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_jobs_are_a_table() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(shown([QUEUED, COMPOSING, DONE], 160.0))
    head, *rows = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert head.split()[:4] == ["job", "title", "genre", "status"]
    assert "queued, 3" in rows[0]
    assert rows[1].split()[3:8] == ["in_progress", "melody", "40%", "20", "s"]
    assert rows[2].rstrip().endswith("in 24 h")
