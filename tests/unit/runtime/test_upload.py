from collections.abc import AsyncIterator

import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.runtime.errors import ContentTooLarge, InvalidRequest, ModelNotFound
from services.runtime.upload import received


async def parts(*messages: pb.ClassifyRequest) -> AsyncIterator[pb.ClassifyRequest]:
    for message in messages:
        yield message


CONFIG = pb.ClassifyRequest(config=pb.ClassifyConfig(model="m"))


def audio(data: bytes) -> pb.ClassifyRequest:
    return pb.ClassifyRequest(audio=data)


async def test_the_parts_become_one_file_at_its_start() -> None:
    async with received(parts(CONFIG, audio(b"one"), audio(b"two")), 100) as (config, file):
        assert config.model == "m"
        assert file.read() == b"onetwo"
    assert file.closed


async def test_an_upload_without_audio_is_an_empty_file() -> None:
    async with received(parts(CONFIG), 100) as (_, file):
        assert file.read() == b""


@pytest.mark.parametrize("messages", [(), (audio(b"x"),), (CONFIG, CONFIG)])
async def test_messages_out_of_order_are_refused(messages: tuple[pb.ClassifyRequest, ...]) -> None:
    with pytest.raises(InvalidRequest):
        async with received(parts(*messages), 100):
            pass


async def test_what_the_config_forbids_is_refused_once_the_client_has_finished() -> None:
    def refuse(config: pb.ClassifyConfig) -> None:
        raise ModelNotFound(config.model)

    coming = parts(CONFIG, audio(b"one"), audio(b"two"))
    with pytest.raises(ModelNotFound):
        async with received(coming, 100, refuse):
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

    with pytest.raises(ContentTooLarge):
        async with received(endless(), 25):
            pass
    assert 3 < read < 10  # What the client had under way is read off, but not without end.
