"""What pages say, in each language: one file of sentences per page, languages side by side."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

#: The first is what a browser gets that wants none of them.
LANGUAGES = ("en", "es")

_FOLDER = Path(__file__).parent


class Texts:
    """The sentences of one language, by `<file>.<key>`."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """A sentence, with what it has in braces filled in. Raises `KeyError` for a key of none."""
        return sentences()[key][self.language].format(**values)


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Every sentence in every language."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for key, each in (yaml.safe_load(path.read_text("utf-8")) or {}).items():
            found[f"{path.stem}.{key}"] = each
    return found


def preferred(accept_language: str) -> str:
    """The language of ours that a browser's `Accept-Language` names first by weight."""
    wishes = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    ranked = sorted(wishes, key=lambda wish: -wish[0])
    return next((name for weight, name in ranked if weight and name in LANGUAGES), LANGUAGES[0])
