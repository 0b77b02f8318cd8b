"""The note that `orfeon serve` leaves in its home: where it can be reached, and a key for it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_NAME = "server.json"


@dataclass(frozen=True, slots=True)
class Access:
    """The gateway's address, a secret key and Studio's address, each of which may be unknown."""

    base_url: str | None = None
    api_key: str | None = None
    studio_url: str | None = None


def read_access(home: Path) -> Access:
    """The note, or an empty one if there is none that can be read."""
    try:
        note = json.loads((home / _NAME).read_text("utf-8"))
        return Access(note.get("base_url"), note.get("api_key"), note.get("studio_url"))
    except (OSError, ValueError, AttributeError):
        return Access()


def write_access(home: Path, access: Access) -> None:
    """Leaves the note, for this user's eyes only."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = home / f".{_NAME}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(access), file)
    fresh.replace(home / _NAME)
