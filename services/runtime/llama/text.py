"""From token bytes to text: whole characters only, and nothing of a stop string."""

import codecs
from collections.abc import Sequence


def beginning(text: str, string: str) -> int:
    """How many characters at the end of `text` begin `string`, without being all of it."""
    longest = min(len(string) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(string[:n])), 0)


class TextStream:
    """Joins the bytes of tokens into text that may be shown.

    Bytes of an unfinished character wait for the rest, and text that may be the beginning of a
    stop string waits until it is one or cannot be.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = [string for string in stop if string]
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def feed(self, token: bytes) -> str:
        """The text that the token makes certain. Sets `stopped` when a stop string is complete."""
        return self._release(self._decoder.decode(token))

    def flush(self) -> str:
        """What was held back, at the end of the answer."""
        text = self._release(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return text if self.stopped else text + held

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        ends = [at for string in self._stop if (at := self._held.find(string)) >= 0]
        if ends:
            self.stopped = True
            text, self._held = self._held[: min(ends)], ""
            return text
        keep = max((beginning(self._held, string) for string in self._stop), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text
