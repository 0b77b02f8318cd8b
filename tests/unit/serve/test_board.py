"""What a person sees at start-up."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orfeon.serve.board import LineBoard, TableBoard, board_for
from orfeon.serve.child import Child, ChildPlan
from orfeon.serve.logs import LogFile
from orfeon.serve.probes import Phase, Probe


def no_probe() -> Probe:
    raise AssertionError("nothing is started here")


@pytest.fixture
def child(tmp_path: Path) -> Child:
    plan = ChildPlan("chat", ("true",), {}, no_probe)
    made = Child(plan, LogFile(tmp_path / "chat.log"), lambda child: None)
    made.log.close()
    made.started = 100.0
    return made


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def shown(board_console: Console) -> str:
    assert isinstance(board_console.file, io.StringIO)
    return board_console.file.getvalue()


def become(child: Child, phase: Phase, detail: str = "") -> Child:
    child.phase, child.detail = phase, detail
    return child


def test_a_pipe_gets_one_line_for_each_change(child: Child) -> None:
    screen = console(terminal=False)
    board = board_for(screen)
    assert isinstance(board, LineBoard)
    board = LineBoard(screen, lambda: 102.5)

    board.begin([child])
    board.changed(become(child, Phase.LOADING, "a[b]c"))
    board.changed(child)
    board.changed(become(child, Phase.READY))
    board.end()
    assert shown(screen) == "chat: starting\nchat: loading: a[b]c\nchat: ready after 2.5 s\n"


def test_a_terminal_gets_a_table_that_counts(child: Child) -> None:
    screen = console(terminal=True)
    assert isinstance(board_for(screen), TableBoard)
    board = TableBoard(screen, lambda: 102.5)

    board.begin([child])
    board.changed(become(child, Phase.LOADING, "a[b]c"))
    screen.print(board)
    board.changed(become(child, Phase.READY))
    board.end()
    text = shown(screen)
    assert "a[b]c" in text
    assert "0 of 1 ready" in text
    last = text[text.rindex("seconds") :].replace("│", " ").split()
    assert last[last.index("✓") :][:4] == ["✓", "chat", "ready", "2.5"]
    assert "1 of 1 ready" in text


def test_after_the_start_a_terminal_gets_lines_too(child: Child) -> None:
    screen = console(terminal=True)
    board = TableBoard(screen, lambda: 102.5)
    board.begin([child])
    board.changed(become(child, Phase.READY))
    board.end()
    before = len(shown(screen))

    board.changed(become(child, Phase.RESTARTING, "was killed by SIGKILL; again in 0.2 s"))
    news = shown(screen)[before:]
    assert news == "chat: restarting: was killed by SIGKILL; again in 0.2 s\n"
