"""What the children say: into files that do not grow without end."""

import json
from collections.abc import Callable
from pathlib import Path


class LogFile:
    """One child's log. At `limit` bytes the file becomes `<name>.1`, of which there is one."""

    def __init__(
        self,
        path: Path,
        *,
        limit: int = 10 * 2**20,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self._limit = limit
        self._echo = echo
        self._rest = b""
        self._last = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, data: bytes) -> None:
        """Takes whatever the child wrote, in pieces of any size."""
        if self._file.tell() + len(data) > self._limit:
            self._file.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))
            self._file = self.path.open("ab")
        self._file.write(data)
        self._file.flush()
        *lines, self._rest = (self._rest + data)[-(1 << 16) :].split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._last = text
                if self._echo is not None:
                    self._echo(text)

    def last_words(self) -> str:
        """The last line, or of a structured one its message; shortened."""
        text = self._last
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        if isinstance(record, dict):
            text = str(record.get("message") or record.get("msg") or text)
        return text if len(text) <= 200 else text[:199] + "…"

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
