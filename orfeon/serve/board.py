"""What a person sees while everything starts, and when something dies."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orfeon.serve.child import Child
from orfeon.serve.probes import Phase

_STYLES = {
    Phase.STARTING: "yellow",
    Phase.LOADING: "cyan",
    Phase.READY: "green",
    Phase.RESTARTING: "red",
    Phase.STOPPED: "dim",
}


class Board(Protocol):
    """Shows the children."""

    def begin(self, children: Sequence[Child]) -> None:
        """Shows them from now on."""

    def changed(self, child: Child) -> None:
        """One has changed."""

    def end(self) -> None:
        """All are ready, or all are being stopped: what follows is news, not progress."""


class LineBoard:
    """One line for every change, for logs and pipes."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._said: dict[str, tuple[Phase, str]] = {}

    def begin(self, children: Sequence[Child]) -> None:
        """See `Board`."""
        for child in children:
            self.changed(child)

    def changed(self, child: Child) -> None:
        """See `Board`."""
        now = (child.phase, child.detail)
        if self._said.get(child.plan.name) == now:
            return
        self._said[child.plan.name] = now
        detail = f": {child.detail}" if child.detail else ""
        if child.phase is Phase.READY:
            detail = f" after {self._clock() - child.started:.1f} s"
        self._console.print(
            f"{child.plan.name}: {child.phase}{detail}", markup=False, highlight=False
        )

    def end(self) -> None:
        """See `Board`."""


class TableBoard:
    """A table that lives until all are ready; afterwards lines, as of `LineBoard`."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lines = LineBoard(console, clock)
        self._children: Sequence[Child] = ()
        self._ready_after: dict[str, float] = {}
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    def begin(self, children: Sequence[Child]) -> None:
        """See `Board`."""
        self._children = children
        self._live = Live(self, console=self._console, refresh_per_second=10)
        self._live.start()

    def changed(self, child: Child) -> None:
        """See `Board`."""
        if child.phase is Phase.READY:
            self._ready_after[child.plan.name] = self._clock() - child.started
        if self._live is None or child.phase is Phase.RESTARTING:
            self._lines.changed(child)

    def end(self) -> None:
        """See `Board`."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __rich__(self) -> Table:
        ready = sum(child.phase is Phase.READY for child in self._children)
        table = Table(
            "", "process", "state", "seconds", "", caption=f"{ready} of {len(self._children)} ready"
        )
        for child in self._children:
            seconds = self._ready_after.get(child.plan.name)
            if child.phase is not Phase.READY or seconds is None:
                seconds = self._clock() - child.started
            mark = Text("✓") if child.phase is Phase.READY else self._spinner
            style = _STYLES[child.phase]
            state = Text(str(child.phase), style=style)
            table.add_row(mark, child.plan.name, state, f"{seconds:.1f}", escape(child.detail))
        return table


def board_for(console: Console) -> Board:
    """A table for a terminal, lines for anything else."""
    return TableBoard(console) if console.is_terminal else LineBoard(console)
