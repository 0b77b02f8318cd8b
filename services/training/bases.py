"""What may be fine-tuned: names that the network may say, and what each is for the trainer.

A name is one of the list or there is no such base: nobody outside names a path or a repository.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import InvalidRequest, ModelNotFound
from services.training.order import Method

#: The encoder that comes with Orfeón: a head is trained on it in minutes, without a GPU.
EMBEDDED = "whisper-tiny"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Base:
    """A base: what the trainer is told to start from, and how it is trained unless asked."""

    name: str
    source: str
    method: Method


class Bases:
    """The bases of this installation.

    `named` are those of the settings: a folder or a Hugging Face repository each. Every checkpoint
    `<folder>/<name>/config.json` is one, too.
    """

    def __init__(self, named: Mapping[str, str], folder: Path) -> None:
        self._named = named
        self._folder = folder

    def names(self) -> list[str]:
        """All there are."""
        found = {
            path.parent.name
            for path in self._folder.glob("*/config.json")
            if _NAME.fullmatch(path.parent.name)
        }
        return sorted({EMBEDDED, *self._named, *found})

    def get(self, name: str, method: Method) -> Base:
        """The base of that name. Raises `ModelNotFound`, `InvalidRequest`."""
        if name not in self.names():
            raise ModelNotFound(
                f"There is no model '{name[:40]}' to fine-tune here; there are "
                f"{', '.join(self.names())}.",
                param="model",
            )
        if name == EMBEDDED and name not in self._named:
            if method == "full":
                raise InvalidRequest(
                    f"Of {EMBEDDED} only a head can be trained; leave classifier.method out.",
                    param="classifier.method",
                )
            return Base(name, EMBEDDED, "head")
        source = self._named.get(name) or str(self._folder / name)
        return Base(name, source, method or "full")


def model_name(base: str, suffix: str, job: str) -> str:
    """What the model of a job is called: a name of `Manifest.name`."""
    told = re.sub(r"[^A-Za-z0-9._-]+", "-", suffix).strip("-._")
    parts = ["ft", re.sub(r"[^A-Za-z0-9._-]+", "-", base), *([told] if told else []), job[-8:]]
    return "-".join(parts)
