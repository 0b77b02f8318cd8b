"""`orfeon queue`: what runs and what waits."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from orfeon import calls
from orfeon.cli.options import DEFAULT_HOME, ApiKey, AsJson, BaseUrl, Home, connected
from orfeon.cli.output import out, span, table
from orfeon.transport import Transport
from orfeon.types import QueueEntry

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it anew each second.")]


def queue(
    watch: Watch = False,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List the requests that run and wait: your key's, or everybody's for an admin key."""
    with connected(home, base_url, api_key, timeout=30.0) as gateway:
        if not watch:
            say(look(gateway), as_json)
        elif as_json or not sys.stdout.isatty():
            repeated(lambda: say(look(gateway), as_json))
        else:
            watched(lambda: shown(look(gateway)), out())


def say(entries: Sequence[QueueEntry], as_json: bool) -> None:
    """Prints a queue: a table, or JSON on one line."""
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(entry) for entry in entries]))
    else:
        out().print(shown(entries), markup=False)


def look(gateway: Transport) -> list[QueueEntry]:
    """The queue as it is. Raises `OrfeonError`."""
    return gateway.send(calls.queue())


def _pause() -> None:
    time.sleep(1.0)


def repeated(show: Callable[[], None], wait: Callable[[], None] = _pause) -> None:
    """Shows the queue after each `wait` below what it was before, until Ctrl-C: for pipes."""
    try:
        while True:
            show()
            sys.stdout.flush()
            wait()
    except KeyboardInterrupt:
        return


def watched(draw: Callable[[], Table], console: Console, wait: Callable[[], None] = _pause) -> None:
    """Shows what `draw` gives, anew after each `wait`, until Ctrl-C."""
    try:
        with Live(draw(), console=console, auto_refresh=False) as live:
            while True:
                wait()
                live.update(draw(), refresh=True)
    except KeyboardInterrupt:
        return


def shown(entries: Sequence[QueueEntry]) -> Table:
    """The table of a queue."""
    rows = table("request", "model", "capability", "priority", "state", "for", "ahead", "starts in")
    for entry in entries:
        waits = entry.state == "queued"
        estimate = entry.estimated_wait if waits else None
        rows.add_row(
            entry.request_id,
            entry.model,
            entry.capability,
            str(entry.priority),
            entry.state,
            span(entry.seconds),
            str(entry.position) if waits else "-",
            "-" if estimate is None else span(estimate),
        )
    return rows
