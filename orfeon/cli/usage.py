"""`orfeon usage`: what keys have used."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from orfeon import calls
from orfeon.cli.options import DEFAULT_HOME, ApiKey, AsJson, BaseUrl, Home, connected
from orfeon.cli.output import complain, out, span, table
from orfeon.types import Usage

Days = Annotated[int, typer.Option(min=1, max=366, help="Of so many days, today's too.")]


def usage(
    days: Days = 30,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List requests, tokens and audio by day: your key's, or everybody's for an admin key."""
    with connected(home, base_url, api_key, timeout=30.0) as gateway:
        page = gateway.send(calls.usage(days))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in page.data]))
    else:
        out().print(shown(page.data), markup=False)
    if page.has_more:
        complain("there is more than this; ask for fewer --days")


def shown(rows: Sequence[Usage]) -> Table:
    """The table of usage."""
    drawn = table("day", "key", "capability", "requests", "tokens", "audio")
    for row in rows:
        drawn.add_row(
            row.day, row.key_id, row.capability, str(row.requests), str(row.tokens),
            span(row.audio_seconds) if row.audio_seconds else "-",
        )  # fmt: skip
    return drawn
