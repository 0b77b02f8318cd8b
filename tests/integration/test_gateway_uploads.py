"""What people send stays in memory, and in as much of it as there is."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway import error_of, eventually, staged

BOUNDARY = "edge"
HEAD = (
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
PIECE = bytes(1 << 20)
ROUTE = "/v1/audio/classifications"


def open_files() -> set[str]:
    """What this process, and so the gateway in it, has open on a disk."""
    links = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("/") and not link.startswith("/dev/")}


@pytest.mark.parametrize("declared", [True, False])
async def test_no_byte_of_an_upload_is_written_to_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    seen: list[tuple[set[str], list[str]]] = []
    async with staged(tmp_path) as stage, stage.http as client:
        await client.post(ROUTE, files={"file": ("clip.wav", b"RIFF")})
        before = open_files()

        def look() -> None:
            seen.append((open_files() - before, os.listdir(scratch)))

        async def body() -> AsyncIterator[bytes]:
            yield HEAD
            for number in range(20):
                yield PIECE
                if number > 10:
                    look()
            yield TAIL

        stage.script.hold = True
        length = len(HEAD) + 20 * len(PIECE) + len(TAIL)
        headers = FORM | ({"content-length": str(length)} if declared else {})
        stage.script.started.clear()
        asking = asyncio.create_task(client.post(ROUTE, content=body(), headers=headers))
        await asyncio.wait_for(stage.script.started.wait(), 20)
        look()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)
        look()
    assert sum(map(len, stage.script.audio)) == 20 * len(PIECE) + len(b"RIFF")
    assert len(seen) > 8
    assert all(not opened and not written for opened, written in seen), seen


async def test_uploads_over_the_memory_for_them_are_refused_before_they_are_read(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, upload_memory_bytes=3_000_000) as stage, stage.http as client:
        stage.script.hold = True
        large = {"file": ("clip.wav", bytes(2_000_000))}
        first = asyncio.create_task(client.post(ROUTE, files=large))
        await asyncio.wait_for(stage.script.started.wait(), 10)
        second = await client.post(ROUTE, files=large)
        assert second.status_code == 429
        assert error_of(second)["code"] == "overloaded"
        assert second.headers["retry-after"] == "1"

        async def unmeasured() -> AsyncIterator[bytes]:
            yield HEAD
            yield bytes(2_000_000)
            yield TAIL

        third = await client.post(ROUTE, content=unmeasured(), headers=FORM)
        assert third.status_code == 429
        first.cancel()
        await asyncio.wait([first])
        stage.script.hold = False

        async def has_room() -> bool:
            answered: httpx.Response = await client.post(ROUTE, files=large)
            return answered.status_code == 200

        await eventually(has_room)
        for _ in range(5):  # What has been answered holds nothing.
            assert await has_room()
