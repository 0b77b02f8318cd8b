"""What people say is in memory for as long as it is worked on, and nowhere else."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from tests.integration.emotion_service import classify_parts, serving, sound, timeline_parts
from tests.integration.voices import wav


def open_files() -> set[str]:
    """What this process, and so the container in it, has open on a disk."""
    links = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("/") and not link.startswith("/dev/")}


def written(folder: Path) -> set[Path]:
    """The files below a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}


async def test_no_recording_is_written_to_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    file = wav(sound(300))
    assert len(file) > 8 * 2**20
    seen: list[set[str]] = []
    async with serving(tmp_path) as stub:
        await stub.Classify(iter(classify_parts(wav(sound(1)))))
        home = written(tmp_path)
        before = open_files()

        def look() -> None:
            seen.append(open_files() - before)
            assert written(tmp_path) == home

        async def slowly() -> AsyncIterator[pb.TimelineRequest]:
            for message in timeline_parts(file):
                yield message
                await asyncio.sleep(0)
                look()

        async for _ in stub.Timeline(slowly()):
            look()
        look()
    assert len(seen) > 100
    assert not set().union(*seen)
    # And no line of the log tells what was heard.
    told = " ".join(record.getMessage() + str(vars(record)) for record in caplog.records)
    assert "happy" not in told
    assert "disgust" not in told
