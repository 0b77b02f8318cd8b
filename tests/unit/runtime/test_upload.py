from collections.abc import AsyncIterator

import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.runtime.errors import ContentTooLarge, InvalidRequest, ModelNotFound, Overloaded
from services.runtime.upload import Uploads


async def parts(*messages: pb.ClassifyRequest) -> AsyncIterator[pb.ClassifyRequest]:
    for message in messages:
        yield message


CONFIG = pb.ClassifyRequest(config=pb.ClassifyConfig(model="m"))


def audio(data: bytes) -> pb.ClassifyRequest:
    return pb.ClassifyRequest(audio=data)


@pytest.fixture
def uploads() -> Uploads:
    return Uploads(limit_bytes=100, memory_bytes=150)


async def test_the_parts_become_one_file_at_its_start(uploads: Uploads) -> None:
    async with uploads.received(parts(CONFIG, audio(b"one"), audio(b"two"))) as (config, file):
        assert config.model == "m"
        assert uploads.held == 6
        assert file.read() == b"onetwo"
    assert file.closed
    assert uploads.held == 0


async def test_an_upload_without_audio_is_an_empty_file(uploads: Uploads) -> None:
    async with uploads.received(parts(CONFIG)) as (_, file):
        assert file.read() == b""


@pytest.mark.parametrize("messages", [(), (audio(b"x"),), (CONFIG, audio(b"x"), CONFIG)])
async def test_messages_out_of_order_are_refused(
    uploads: Uploads, messages: tuple[pb.ClassifyRequest, ...]
) -> None:
    with pytest.raises(InvalidRequest):
        async with uploads.received(parts(*messages)):
            pass
    assert uploads.held == 0


async def test_what_the_config_forbids_is_refused_once_the_client_has_finished(
    uploads: Uploads,
) -> None:
    def refuse(config: pb.ClassifyConfig) -> None:
        raise ModelNotFound(config.model)

    coming = parts(CONFIG, audio(b"one"), audio(b"two"))
    with pytest.raises(ModelNotFound):
        async with uploads.received(coming, refuse):
            pass
    assert [part async for part in coming] == []


async def test_the_limit_is_noticed_before_the_rest_is_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[pb.ClassifyRequest]:
        nonlocal read
        yield CONFIG
        while True:
            read += 1
            yield audio(b"0123456789")

    uploads = Uploads(limit_bytes=25, memory_bytes=1000)
    with pytest.raises(ContentTooLarge):
        async with uploads.received(endless()):
            pass
    assert 3 < read < 10  # What the client had under way is read off, but not without end.
    assert uploads.held == 0


async def test_together_recordings_have_as_much_memory_as_there_is(uploads: Uploads) -> None:
    async with uploads.received(parts(CONFIG, audio(bytes(100)))):
        async with uploads.received(parts(CONFIG, audio(bytes(50)))):
            assert uploads.held == 150
        with pytest.raises(Overloaded) as refused:
            async with uploads.received(parts(CONFIG, audio(bytes(40)), audio(bytes(11)))):
                pass
        assert refused.value.retry_after
        assert uploads.held == 100
    assert uploads.held == 0


async def test_one_recording_alone_has_room_whatever_the_memory() -> None:
    uploads = Uploads(limit_bytes=100, memory_bytes=10)
    async with uploads.received(parts(CONFIG, audio(bytes(50)), audio(bytes(50)))):
        assert uploads.held == 100
