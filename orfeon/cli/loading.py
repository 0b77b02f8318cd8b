"""Waiting for a model to be loaded, with how far it is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from orfeon import calls
from orfeon.errors import OrfeonError
from orfeon.transport import Transport
from orfeon.types import Model

_POLL_SECONDS = 0.5


def load(gateway: Transport, name: str, pinned: bool | None, console: Console) -> Model:
    """Loads a model; shows how far it is where somebody looks on. Raises `OrfeonError`."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    # What is shown goes when the model has come: the command's own words are what remains.
    with (
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar,
        _polled(gateway, name, bar),
    ):
        return gateway.send(calls.load_model(name, pinned))


@contextmanager
def _polled(gateway: Transport, name: str, bar: Progress) -> Iterator[None]:
    """Moves the bar while the block lasts."""
    task = bar.add_task(name, total=None)
    over = threading.Event()

    def poll() -> None:
        while not over.wait(_POLL_SECONDS):
            try:
                models = gateway.send(calls.models())
            except OrfeonError:
                # The load itself says what is wrong, if anything is.
                continue
            for model in models:
                if name in (model.id, *model.aliases):
                    describe(bar, task, model)

    # A daemon: Ctrl-C must not wait for an answer.
    thread = threading.Thread(target=poll, daemon=True)
    if not bar.disable:
        thread.start()
    try:
        yield
    finally:
        over.set()


def describe(bar: Progress, task: TaskID, model: Model) -> None:
    """Says in the bar's task where a model is in its life."""
    total = None if model.progress is None else 1.0
    bar.update(
        task,
        description=f"{model.id}: {model.state}",
        total=total,
        completed=model.progress or 0.0,
    )
