"""Which capabilities there are, by their folders."""

from collections.abc import Sequence
from pathlib import Path

import services

_SERVICES = Path(services.__file__).parent


def known_capabilities() -> tuple[str, ...]:
    """The capabilities there are: the folders below `services/` with models that can be run."""
    found = {path.parent.name for path in _SERVICES.glob("*/models")}
    return tuple(sorted(name for name in found if (_SERVICES / name / "__main__.py").is_file()))


def model_folders(capabilities: Sequence[str]) -> list[Path]:
    """The folders of the models that come with these capabilities."""
    return [_SERVICES / name / "models" for name in capabilities]
