"""`orfeon jobs`: what is made in the background."""

import json
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from orfeon import jobs as calls
from orfeon.cli.options import DEFAULT_HOME, ApiKey, AsJson, BaseUrl, Home, connected
from orfeon.cli.output import one_sentence, out, span, table
from orfeon.jobs import Job

app = typer.Typer(help="List your jobs, and cancel them.")

JobId = Annotated[str, typer.Argument(help="As 'orfeon jobs' lists it.")]


@app.callback(invoke_without_command=True)
def _listed(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List your jobs, the newest first."""
    if context.invoked_subcommand is None:
        one_sentence(list_jobs)(limit, home, base_url, api_key, as_json)


def list_jobs(limit: int, home: Home, base_url: BaseUrl, api_key: ApiKey, as_json: AsJson) -> None:
    """Prints the newest jobs."""
    with connected(home, base_url, api_key, timeout=30.0) as gateway:
        if as_json:
            typer.echo(json.dumps(gateway.send(calls.listed(limit))))
            return
        found = gateway.send(calls.page(limit, None))
    out().print(shown(found, time.time()), markup=False)


def cancel(
    job: JobId,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel a job; returns when nothing works on it."""
    with connected(home, base_url, api_key, timeout=30.0) as gateway:
        ended = gateway.send(calls.cancel(job))
    typer.echo(f"{ended.id} {ended.status}")


app.command("cancel")(one_sentence(cancel))


def shown(jobs: Sequence[Job], now: float) -> Table:
    """The table of jobs at `now`, in Unix seconds."""
    rows = table("job", "title", "genre", "status", "step", "done", "left", "asked for", "expires")
    for job in jobs:
        left = job.estimated_seconds
        rows.add_row(
            job.id,
            job.song.title or "-",
            job.song.genre,
            f"queued, {job.queue_position}" if job.queue_position else job.status,
            job.step,
            f"{job.progress:.0%}",
            "-" if left is None or job.ended else span(left),
            f"{span(now - job.created_at)} ago",
            "-" if job.expires_at is None else f"in {span(job.expires_at - now)}",
        )
    return rows
