"""Which capabilities there are, by their folders."""

from collections.abc import Sequence
from pathlib import Path

import services

_SERVICES = Path(services.__file__).parent

#: The process that shares the memory among the services; none of them.
ARBITER = "arbiter"
#: The web app, which is a client of the gateway; none of them either.
STUDIO = "studio"


def known_capabilities() -> tuple[str, ...]:
    """The capabilities there are: the folders below `services/` that can be run."""
    found = {path.parent.name for path in _SERVICES.glob("*/__main__.py")}
    return tuple(sorted(found - {ARBITER, STUDIO}))


def model_folders(capabilities: Sequence[str]) -> list[Path]:
    """The folders of the models that come with these capabilities; not all have some."""
    folders = (_SERVICES / name / "models" for name in capabilities)
    return [folder for folder in folders if folder.is_dir()]
