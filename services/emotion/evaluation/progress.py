"""How far an evaluation is, for whoever looks on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.emotion.corpora import Recording


class Bars:
    """A bar for whatever is being gone through, on the screen while it is."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, recordings: Sequence[Recording], what: str) -> Iterable[Recording]:
        """Goes through them under this title."""
        return self._through(recordings, what)

    @contextmanager
    def steps(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """What is told of steps: how many are done, and of how many."""
        task = self._progress.add_task(what, total=None)
        try:
            yield lambda done, every: self._progress.update(task, completed=done, total=every)
        finally:
            self._progress.remove_task(task)

    def _through(self, recordings: Sequence[Recording], what: str) -> Iterator[Recording]:
        task = self._progress.add_task(what, total=len(recordings))
        for recording in recordings:
            yield recording
            self._progress.advance(task)
        self._progress.remove_task(task)
