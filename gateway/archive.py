"""Several files as one zip archive, gathered on disk."""

import asyncio
import shutil
import zipfile
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO

#: Files up to this size stay in memory.
_IN_MEMORY_BYTES = 1 << 20
_PIECE_BYTES = 256 * 1024
#: What is compressed already is stored as it is.
_COMPRESSED = (".mp3", ".ogg", ".flac")


class Archive:
    """Takes files part by part, then gives the archive: the same files, the same bytes.

    A context manager: its temporary files have no name and go with the block.
    """

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, name: str, data: bytes) -> None:
        """Appends to a file, which begins with its first bytes."""
        if name not in self._files:
            self._files[name] = self._temporary()
        self._files[name].write(data)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The archive, in pieces. Nothing may be added afterwards."""
        archive = await asyncio.to_thread(self._packed)
        while piece := await asyncio.to_thread(archive.read, _PIECE_BYTES):
            yield piece

    def _packed(self) -> IO[bytes]:
        archive = self._temporary()
        with zipfile.ZipFile(archive, "w") as packed:
            for name, file in self._files.items():
                # Its date is that of the format's beginning, not of today.
                entry = zipfile.ZipInfo(name)
                if not name.endswith(_COMPRESSED):
                    entry.compress_type = zipfile.ZIP_DEFLATED
                file.seek(0)
                with packed.open(entry, "w") as target:
                    shutil.copyfileobj(file, target)
        archive.seek(0)
        return archive

    def _temporary(self) -> IO[bytes]:
        return self._open.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))
