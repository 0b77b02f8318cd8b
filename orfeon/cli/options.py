"""Options that several commands have, and what they add up to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from orfeon import calls
from orfeon.access import read_access
from orfeon.transport import Transport

DEFAULT_HOME = Path("~/.orfeon")

Home = Annotated[
    Path,
    typer.Option("--home", envvar="ORFEON_HOME", help="Where models, keys and logs live."),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="ORFEON_BASE_URL",
        help="The gateway's address. Default: the one that 'orfeon serve' started here.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="ORFEON_API_KEY", help="Default: the first key made here."),
]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="Model id or alias.")]
Priority = Annotated[
    int | None,
    typer.Option(min=0, max=2, help="0 urgent, 1 normal, 2 background: lower is sooner."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def absolute(home: Path) -> Path:
    """The home folder as every process understands it."""
    return home.expanduser().absolute()


@contextmanager
def connected(
    home: Path, base_url: str | None, api_key: str | None, timeout: float = 600.0
) -> Iterator[Transport]:
    """A connection to the gateway. `timeout` is in seconds.

    The key noted in `home` is used for the gateway noted beside it, and sent to no other.
    """
    noted = read_access(absolute(home))
    address = base_url or noted.base_url or calls.DEFAULT_BASE_URL
    if api_key is None and _same(address, noted.base_url):
        api_key = noted.api_key
    with httpx.Client(**calls.options(address, api_key, timeout)) as client:
        yield Transport(client, retries=2)


def _same(one: str, other: str | None) -> bool:
    return other is not None and _bare(one) == _bare(other)


def _bare(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1")
