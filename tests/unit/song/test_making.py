"""What a step is given: that it writes files to the end, even once nobody wants them."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.runtime.context import RequestContext
from services.song.folder import JobFolder
from services.song.steps.making import Making
from services.song.upstreams import Patience, Upstreams
from services.song.wish import Wish


class SlowFolder(JobFolder):
    """A folder on a disk that takes its time."""

    def __init__(self, songs: Path) -> None:
        super().__init__(songs, "song_1")
        self.begun, self.go = threading.Event(), threading.Event()

    def publish(self, files: Mapping[str, bytes]) -> None:
        self.begun.set()
        assert self.go.wait(10)
        super().publish(files)

    def keep(self, files: Mapping[str, bytes]) -> None:
        self.begun.set()
        assert self.go.wait(10)
        super().keep(files)


@pytest.mark.parametrize("method", ["publish", "keep"])
async def test_whoever_is_cancelled_while_it_writes_has_written(
    tmp_path: Path, method: str
) -> None:
    folder = SlowFolder(tmp_path)
    making = Making(
        wish=Wish(),
        facts={},
        seed=1,
        context=RequestContext("req_1", "alice", 2),
        folder=folder,
        upstreams=Upstreams({}),
        patience=Patience(0.0),
        melody_model="",
        reached=lambda share: None,
    )
    writing = asyncio.create_task(getattr(making, method)({"lyrics.txt": b"La"}))
    await asyncio.to_thread(folder.begun.wait, 10)
    writing.cancel()
    await asyncio.wait([writing], timeout=0.05)
    assert not writing.done()
    folder.go.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert folder.exists()
