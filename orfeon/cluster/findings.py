"""What a check says, one sentence at a time, and how values are read and put together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Values = dict[str, Any]

#: `missing` keeps a release from working; `hint` is worth knowing; `unknown` could not be seen.
Level = Literal["ok", "hint", "unknown", "missing"]


@dataclass(frozen=True)
class Finding:
    """One sentence about a topic."""

    topic: str
    level: Level
    message: str


class Topic:
    """What findings are about."""

    def __init__(self, name: str) -> None:
        self.name = name

    def say(self, level: Level, message: str) -> Finding:
        """A finding of a level."""
        return Finding(self.name, level, message)

    def ok(self, message: str) -> Finding:
        """It is there."""
        return self.say("ok", message)

    def hint(self, message: str) -> Finding:
        """It is worth knowing."""
        return self.say("hint", message)

    def unknown(self, message: str) -> Finding:
        """It could not be seen."""
        return self.say("unknown", message)

    def missing(self, message: str) -> Finding:
        """It keeps a release from working."""
        return self.say("missing", message)


def lookup(values: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """What values say at `gpu.profile`; the default where they say nothing, or no such thing."""
    found: Any = values
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return default
        found = found[key]
    return found


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Values as Helm puts two files of them together: mappings key by key, the rest whole."""
    both = dict(under)
    for key, value in over.items():
        below = both.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            both[key] = merged(below, value)
        else:
            both[key] = value
    return both


def secrets_named(values: Mapping[str, Any]) -> dict[str, str]:
    """Where values name secrets that have to be there, by path: `gateway.database.secretName`."""
    named = dict(_secret_names(values, ""))
    pulled = lookup(values, "image.pullSecrets")
    for number, name in enumerate(pulled if isinstance(pulled, list) else []):
        named[f"image.pullSecrets.{number}"] = str(name)
    if lookup(values, "edge.tls.mode") == "certManager":
        # cert-manager writes it.
        named.pop("edge.tls.secretName", None)
    return named


def _secret_names(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        here = f"{path}.{key}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from _secret_names(value, here)
        elif str(key).lower().endswith("secretname") and isinstance(value, str) and value:
            yield here, value
