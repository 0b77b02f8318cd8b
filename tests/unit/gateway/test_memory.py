import pytest

from gateway.exchange import Exchange
from gateway.memory import UploadMemory
from services.runtime.errors import Overloaded


def test_uploads_have_room_until_their_exchange_ends() -> None:
    memory, first, second = UploadMemory(100), Exchange("1"), Exchange("2")
    memory.hold(first, 60)
    with pytest.raises(Overloaded) as refused:
        memory.hold(second, 41)
    assert refused.value.retry_after == 1.0
    memory.hold(second, 40)
    assert memory.held == 100
    for end in first.ended:
        end()
    assert memory.held == 40


def test_one_upload_alone_always_has_room() -> None:
    memory = UploadMemory(100)
    memory.hold(Exchange("1"), 1_000)
    with pytest.raises(Overloaded):
        memory.hold(Exchange("2"), 1)
