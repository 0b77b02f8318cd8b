"""What the commands print, and how they fail."""

import functools
import sys
import unicodedata
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from orfeon.errors import OrfeonError
from orfeon.fault import Fault

P = ParamSpec("P")


def out() -> Console:
    """Where results go. Into a pipe or a file nothing is cut to the width of a terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


def err() -> Console:
    """Where everything else goes."""
    return Console(stderr=True)


def complain(sentence: str) -> None:
    """One sentence on stderr."""
    err().print(f"orfeon: {printable(sentence)}", markup=False, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """`text` without control characters, which could take over the terminal."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def write(text: str) -> None:
    """Prints what a model said, as it comes."""
    sys.stdout.write(printable(text))
    sys.stdout.flush()


def table(*columns: str) -> Table:
    """An undecorated table, whose first column is never cut."""
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    shown.columns[0].no_wrap = True
    return shown


def size(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"


def span(seconds: float) -> str:
    """A time for people, in its largest unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def one_sentence(command: Callable[P, None]) -> Callable[P, None]:
    """Makes a command's failures one sentence on stderr and exit code 1."""

    @functools.wraps(command)
    def guarded(*args: P.args, **options: P.kwargs) -> None:
        try:
            command(*args, **options)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            complain(sentence_of(error))
            raise typer.Exit(1) from error

    return guarded


def sentence_of(error: Exception) -> str:
    """What a person is told of a failure."""
    # Imported only now: nearly every command succeeds, and some do without these.
    from services.runtime.errors import OrfeonError as ServiceError
    from services.runtime.manifest import ManifestError

    if isinstance(error, OrfeonError):
        number = getattr(error, "request_id", None) if _is_fault(error) else None
        return error.message + (f" (request {number})" if number else "")
    if isinstance(error, Fault | ServiceError | ManifestError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    if isinstance(error, UnicodeEncodeError):
        return "A text that was given is not valid Unicode; look at the terminal's encoding."
    return f"This is a fault of Orfeón's, please report it: {type(error).__name__}: {error}"


def _is_fault(error: OrfeonError) -> bool:
    """Whether the gateway's log is where to look next."""
    return getattr(error, "status", 0) >= 500
