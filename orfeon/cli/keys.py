"""`orfeon keys`: who may ask."""

import json
import re
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orfeon.cli.options import DEFAULT_HOME, AsJson, Home, absolute
from orfeon.cli.output import one_sentence, out, table
from orfeon.fault import Fault

if TYPE_CHECKING:
    from gateway.keystore import ApiKey, KeyStore
    from gateway.migrations import Migrate

app = typer.Typer(no_args_is_help=True, help="API keys: who may ask.")

DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar=["ORFEON_GATEWAY_DATABASE_URL", "DATABASE_URL"],
        help="Where the keys are. Default: SQLite in the home folder.",
        show_default=False,
    ),
]

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def database_url(home: Path, given: str) -> str:
    """The database of the keys, as the gateway finds it."""
    return given or f"sqlite:///{absolute(home)}/orfeon.db"


def open_store(home: Path, given: str, migrate: "Migrate" = "check") -> "KeyStore":
    """The keys. A server's schema is the gateway's to change, unless `migrate` is `auto`.

    Raises `Fault`, also where the gateway's requirements are not installed.
    """
    try:
        from gateway.database import DatabaseUnusable
        from gateway.keystore import KeyStore
    except ImportError as error:
        raise Fault(
            "Keys are kept by the gateway, which is not installed here: pip install orfeon[gateway]"
        ) from error
    absolute(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return KeyStore(database_url(home, given), migrate=migrate)
    except DatabaseUnusable as error:
        raise Fault(str(error)) from error


@app.command()
@one_sentence
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    priority_floor: Annotated[
        int, typer.Option(min=0, max=2, help="The most urgent level it may use; 0 is urgent.")
    ] = 0,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may use; repeat for several. Default: all but admin."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="A time from now, such as 12h, 30d, 1y, or a date.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    home: Home = DEFAULT_HOME,
    database: DatabaseUrl = "",
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is shown only this once."""
    when = None if expires is None else expiry(expires, time.time())
    options: dict[str, Any] = {"scopes": scope} if scope else {}
    with closing(open_store(home, database)) as store:
        try:
            key, secret = store.create(
                name,
                priority_floor,
                expires=when,
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                **options,
            )
        except ValueError as error:
            raise Fault(str(error)) from error
    if as_json:
        typer.echo(json.dumps(_row(key, time.time()) | {"secret": secret}))
        return
    typer.echo(secret)
    typer.echo(f"{key.id}; this is the only time its secret is shown.", err=True)


@app.command("list")
@one_sentence
def list_keys(
    home: Home = DEFAULT_HOME, database: DatabaseUrl = "", as_json: AsJson = False
) -> None:
    """List every key there ever was."""
    with closing(open_store(home, database)) as store:
        rows = [_row(key, time.time()) for key in store.list()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    shown = table("id", "name", "starts with", "floor", "scopes", "expires", "state")
    for row in rows:
        shown.add_row(
            row["id"], row["name"], row["prefix"], str(row["priority_floor"]),
            " ".join(row["scopes"]), row["expires"] or "never", row["state"],
        )  # fmt: skip
    out().print(shown, markup=False)


@app.command()
@one_sentence
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as 'orfeon keys list' shows it.")],
    home: Home = DEFAULT_HOME,
    database: DatabaseUrl = "",
) -> None:
    """End a key for good."""
    with closing(open_store(home, database)) as store:
        try:
            key = store.revoke(key_id)
        except KeyError as error:
            raise Fault(f"There is no key {key_id}; 'orfeon keys list' shows them.") from error
    typer.echo(f"{key.id} ({key.name}) is revoked.")


def expiry(text: str, now: float) -> float:
    """When `30d` or `2030-01-31` ends, in Unix seconds. Raises `Fault`."""
    if match := re.fullmatch(r"(\d{1,6})([mhdwy])", text):
        return now + int(match[1]) * _UNITS[match[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise Fault(f"{text!r} is neither a time such as 30d nor a date.") from error
    at = (when if when.tzinfo else when.astimezone()).timestamp()
    if at <= now:
        raise Fault(f"{text} is past; a key must expire later than now.")
    return at


def _row(key: "ApiKey", now: float) -> dict[str, Any]:
    expires = key.expires and datetime.fromtimestamp(key.expires, UTC).isoformat(timespec="seconds")
    state = "revoked" if key.revoked else "live" if key.is_live(now) else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "priority_floor": key.priority_floor,
        "scopes": sorted(key.scopes),
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "expires": expires,
        "state": state,
    }
