import math

import pytest

from services.runtime.errors import ContextLengthExceeded, InvalidRequest
from services.runtime.llama.fake_engine import FakeLanguageModel
from services.runtime.llama.generation import (
    Finished,
    Generation,
    Image,
    LanguageModel,
    Message,
    Piece,
)

HELLO = Message("user", ("good morning",))


async def answered(
    model: LanguageModel, generation: Generation
) -> tuple[dict[int, str], list[Finished]]:
    texts: dict[int, str] = {}
    ends = []
    async with model.generate(generation, 1) as pieces:
        async for piece in pieces:
            if isinstance(piece, Piece):
                texts[piece.choice] = texts.get(piece.choice, "") + piece.text
            else:
                ends.append(piece)
    return texts, ends


async def test_it_repeats_the_last_message() -> None:
    model = FakeLanguageModel(100)
    prompt = model.conversation([Message("system", ("Be brief.",)), HELLO])
    texts, ends = await answered(model, Generation(prompt))
    assert texts == {0: "You said: good morning"}
    assert ends == [Finished("stop", 6, 0, 4)]


async def test_choices_come_in_turns_and_each_ends() -> None:
    model = FakeLanguageModel(100)
    generation = Generation(model.conversation([HELLO]), max_tokens=2, choices=2)
    texts, ends = await answered(model, generation)
    assert texts == {0: "You said:", 1: "You said:"}
    assert [(end.choice, end.reason, end.completion_tokens) for end in ends] == [
        (0, "length", 2),
        (1, "length", 2),
    ]


async def test_a_stop_string_ends_the_answer_and_does_not_show() -> None:
    model = FakeLanguageModel(100)
    generation = Generation(model.conversation([HELLO]), stop=("good",))
    texts, ends = await answered(model, generation)
    assert texts == {0: "You said: "}
    assert ends[0].reason == "stop"


async def test_an_answer_can_be_scripted() -> None:
    model = FakeLanguageModel(100, lambda generation: f'{{"a": "{generation.trigger}"}}')
    generation = Generation(model.text("x"), grammar="root ::= object", trigger="T")
    assert (await answered(model, generation))[0] == {0: '{"a": "T"}'}
    assert (await answered(FakeLanguageModel(9, lambda _: ""), generation))[1][0].reason == "stop"


async def test_tokens_are_told_where_they_are_asked_for() -> None:
    model = FakeLanguageModel(100)
    async with model.generate(Generation(model.text("x"), logprobs=2), 0) as pieces:
        told = [piece async for piece in pieces]
    first = told[0]
    assert isinstance(first, Piece)
    assert first.chosen[0].token == b"You"
    assert [token for token, _ in first.chosen[0].likeliest] == [b"You", b" other1"]


async def test_vectors_are_of_length_one_and_of_their_text() -> None:
    model = FakeLanguageModel(100)
    one, same, other = await model.embed([model.text(text) for text in ("a", "a", "b")], 1)
    assert one == same != other
    assert math.hypot(*other) == pytest.approx(1)


async def test_what_does_not_fit_or_is_not_there_is_refused() -> None:
    model = FakeLanguageModel(4, adapters=["rock"])
    with pytest.raises(ContextLengthExceeded):
        model.text("a b c d")
    for generation, kind in (
        (Generation(model.text("a b"), max_tokens=3), ContextLengthExceeded),
        (Generation(model.text("")), InvalidRequest),
        (Generation(model.text("a"), adapter="pop"), InvalidRequest),
    ):
        with pytest.raises(kind):
            await answered(model, generation)
    assert await answered(model, Generation(model.text("a"), max_tokens=1, adapter="rock"))


def test_pictures_need_eyes() -> None:
    message = Message("user", ("What is it?", Image(b"png")))
    with pytest.raises(InvalidRequest):
        FakeLanguageModel(9).conversation([message])
    assert FakeLanguageModel(9, sees=True).conversation([message]).images == (Image(b"png"),)
