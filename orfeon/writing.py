"""Lyrics while they are written, put together line by line."""

from collections.abc import Mapping
from typing import Any

from orfeon.types import Lyrics, WrittenLine, lyrics


class LyricsReader:
    """Reads the events of a stream of `/v1/lyrics` in their order."""

    def __init__(self) -> None:
        self._header: Mapping[str, Any] = {}
        self._sections: dict[int, dict[str, Any]] = {}

    def __call__(self, event: Mapping[str, Any]) -> WrittenLine | Lyrics | None:
        """A line, the whole at the end, None for what says nothing of the text.

        Raises `KeyError`, `TypeError` for what is no event of lyrics.
        """
        match event["type"]:
            case "lyrics.created":
                self._header = event
            case "lyrics.line":
                line = WrittenLine(
                    event["section"], event["kind"], event["text"], event["syllables"]
                )
                empty: dict[str, Any] = {"kind": line.kind, "lines": []}
                self._sections.setdefault(line.section, empty)["lines"].append(event)
                return line
            case "lyrics.done":
                return lyrics({**self._header, "sections": self._sections.values()})
        return None
