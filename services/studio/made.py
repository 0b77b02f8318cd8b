"""Files that are made for somebody, to be played and downloaded until their time has come."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from gradio.utils import get_upload_folder

from services.studio.studio import BASE
from services.studio.texts import Texts

_KIB = 1024


class Made:
    """A file below Gradio's folder, where nobody finds it who was not told its address.

    `size` is in bytes; `whole` says whether all of it is there.
    """

    def __init__(self, name: str) -> None:
        self.path = Path(get_upload_folder()) / secrets.token_urlsafe(24) / name
        self.size = 0
        self.whole = False

    async def write(self, pieces: AsyncIterator[bytes]) -> None:
        """Writes the file as its pieces come."""
        self.path.parent.mkdir(parents=True)
        with self.path.open("wb") as file:
            async for piece in pieces:
                file.write(piece)
                self.size += len(piece)
        self.whole = True

    def address(self, t: Texts) -> str:
        """Where a browser finds it, within a session."""
        return f"{BASE}/{t.language}/gradio_api/file={quote(str(self.path))}"

    def discard(self) -> None:
        """Deletes it, as far as it was written."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.exists():
            self.path.parent.rmdir()


def size_of(count: int) -> str:
    """A number of bytes as people read it: `12 kB`, `3.4 MB`."""
    kib = count / _KIB
    return f"{kib:.0f} kB" if kib < _KIB else f"{kib / _KIB:.1f} MB"
