"""The references inside one JSON schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.runtime.errors import InvalidRequest


class References:
    """What each `$ref` means, and which of them hold themselves."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._inside: dict[str, frozenset[str]] = {}

    def target(self, reference: Any) -> Any:
        """The schema behind a reference. Raises `InvalidRequest` where there is none."""
        at: Any = self._root
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise InvalidRequest(
                "The JSON schema cannot be enforced: a $ref must point into the schema itself, "
                "such as #/$defs/name."
            )
        for part in reference.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(at, list) and key in map(str, range(len(at))):
                at = at[int(key)]
            elif isinstance(at, Mapping) and key in at:
                at = at[key]
            else:
                raise InvalidRequest(
                    f"The JSON schema is invalid: there is nothing at {reference[:80]}."
                )
        return at

    def holds_itself(self, reference: str) -> bool:
        """Whether what a reference means has the same reference in it, at whatever depth."""
        seen: set[str] = set()
        waiting = [reference]
        while waiting:
            for one in self._references_in(waiting.pop()) - seen:
                seen.add(one)
                waiting.append(one)
        return reference in seen

    def _references_in(self, reference: str) -> frozenset[str]:
        if reference not in self._inside:
            self._inside[reference] = frozenset(_found(self.target(reference)))
        return self._inside[reference]


def _found(schema: Any) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("$ref"), str):
                yield one["$ref"]
            # What is only kept for others counts where they refer to it.
            waiting += [value for key, value in one.items() if key not in ("$defs", "definitions")]
        elif isinstance(one, list):
            waiting += one
