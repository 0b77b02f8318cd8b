"""`orfeon ps`: what is in memory, where, and until when."""

import dataclasses
import json
import time
from collections.abc import Sequence

import typer
from rich.table import Table

from orfeon import calls
from orfeon.cli.options import DEFAULT_HOME, ApiKey, AsJson, BaseUrl, Home, connected
from orfeon.cli.output import out, size, span, table
from orfeon.types import Model


def ps(
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List the models in memory, on their way there or out of it."""
    with connected(home, base_url, api_key, timeout=30.0) as gateway:
        found = gateway.send(calls.models())
    active = [m for m in found if m.state not in ("unloaded", "unknown") and m.base is None]
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(model) for model in active]))
    else:
        out().print(shown(active, time.time()), markup=False)


def shown(models: Sequence[Model], now: float) -> Table:
    """The table of models at `now`, in Unix seconds."""
    rows = table(
        "model", "capability", "state", "device", "gpu layers", "memory", "since", "in use",
        "expires",
    )  # fmt: skip
    for model in models:
        rows.add_row(
            model.id,
            model.capability,
            state_of(model),
            model.device or "-",
            "all" if model.gpu_layers < 0 else str(model.gpu_layers or "-"),
            size(model.resident_bytes) if model.resident_bytes else "-",
            f"{span(now - model.loaded_at)} ago" if model.loaded_at else "-",
            str(model.in_use),
            _expiry(model, now),
        )
    return rows


def state_of(model: Model) -> str:
    """Where a model is in its life, and how far."""
    return model.state if model.progress is None else f"{model.state} {model.progress:.0%}"


def _expiry(model: Model, now: float) -> str:
    if model.pinned:
        return "pinned"
    return f"in {span(model.expires_at - now)}" if model.expires_at else "-"
