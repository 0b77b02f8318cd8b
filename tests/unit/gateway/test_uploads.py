import io

import pytest
from starlette.datastructures import UploadFile

from gateway.uploads import MESSAGE_BYTES, Recording
from services.runtime.errors import InvalidAudio

DATA = bytes(range(256)) * 2_500


async def test_a_recording_is_read_again_from_its_start_whoever_still_reads_it() -> None:
    recording = Recording(UploadFile(io.BytesIO(DATA), size=len(DATA)))
    first = recording.messages()
    assert len(await anext(first)) == MESSAGE_BYTES
    second = [piece async for piece in recording.messages()]
    assert b"".join(second) == DATA
    assert await anext(first) == second[1]


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(InvalidAudio):
        Recording(UploadFile(io.BytesIO(), size=0))
