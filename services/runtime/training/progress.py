"""How far a training is, for whoever looks on."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def bar(console: Console, title: str, total: int, *, counted: bool) -> Iterator["Bar"]:
    """A bar from 0 to `total`; `counted` says how many beside it, rather than what share."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield Bar(bars, title, total)


class Bar:
    """One bar, on the screen while its context lasts."""

    def __init__(self, bars: Progress, title: str, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task(title, total=total, note="")

    def advance(self, by: int) -> None:
        """Goes on by so much."""
        self._bars.advance(self._task, by)

    def at(self, completed: int) -> None:
        """Goes to this place."""
        self._bars.update(self._task, completed=completed)

    def note(self, text: str) -> None:
        """Says something beside the bar."""
        self._bars.update(self._task, note=text)
