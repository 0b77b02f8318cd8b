import math
from typing import Any

import pytest

from orfeon.api.chat.v1 import chat_pb2 as pb
from services.chat.engine import Message, Sampling
from services.chat.servicer import request_of
from services.runtime.errors import InvalidRequest

HELLO = pb.Message(
    role=pb.ROLE_USER, content=[pb.ContentPart(text="Hel"), pb.ContentPart(text="lo")]
)


def test_parts_are_joined_and_unset_fields_left_to_the_model() -> None:
    request = request_of(pb.ChatCompletionRequest(messages=[HELLO], seed=7))
    assert request.messages == (Message("user", "Hello"),)
    assert request.sampling == Sampling(seed=7)
    assert request.max_tokens is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("top_p", 1.1),
        ("presence_penalty", -3),
        ("frequency_penalty", math.inf),
        ("top_k", -1),
        ("stop", ["a", "b", "c", "d", "e"]),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request_of(pb.ChatCompletionRequest(messages=[HELLO], **{field: value}))
    assert refused.value.param == field


@pytest.mark.parametrize("messages", [[], [pb.Message(content=HELLO.content)]])
def test_a_conversation_needs_messages_with_roles(messages: list[pb.Message]) -> None:
    with pytest.raises(InvalidRequest):
        request_of(pb.ChatCompletionRequest(messages=messages))
