from orfeon.api.chat.v1 import chat_pb2 as pb
from services.chat.answers import Answering, gathered
from services.runtime.llama.fake_engine import FakeLanguageModel
from services.runtime.llama.generation import Generation
from tests.unit.chat.test_tools import ONE


async def answered(
    model: FakeLanguageModel, generation: Generation, calls: bool | None = None
) -> tuple[list[pb.Choice], pb.Usage]:
    answering = Answering(model, 1, calls)
    events = [event async for event in answering.events(generation)]
    return gathered(events, generation.choices), answering.usage


async def test_every_choice_is_counted_and_the_prompt_once() -> None:
    model = FakeLanguageModel(0)
    choices, usage = await answered(model, Generation(model.text("a b"), choices=3))
    assert [choice.text for choice in choices] == ["You said: a b"] * 3
    assert {choice.reason for choice in choices} == {pb.FINISH_REASON_STOP}
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 12)


async def test_calls_are_told_from_text() -> None:
    model = FakeLanguageModel(0, lambda _: f"Well, {ONE}")
    choices, _ = await answered(model, Generation(model.text("a")), calls=True)
    assert choices[0].text == "Well, "
    assert [call.name for call in choices[0].tool_calls] == ["weather"]
    assert choices[0].reason == pb.FINISH_REASON_TOOL_CALLS


async def test_a_call_that_is_cut_short_says_so() -> None:
    model = FakeLanguageModel(0, lambda _: ONE)
    generation = Generation(model.text("a"), max_tokens=5)
    choices, _ = await answered(model, generation, calls=False)
    assert choices[0].tool_calls[0].arguments == '{"city":'
    assert choices[0].reason == pb.FINISH_REASON_LENGTH


async def test_tokens_come_with_their_alternatives() -> None:
    model = FakeLanguageModel(0)
    choices, _ = await answered(model, Generation(model.text("a"), logprobs=2))
    assert b"".join(token.token for token in choices[0].tokens) == b"You said: a"
    assert [len(token.likeliest) for token in choices[0].tokens] == [2, 2, 2]


async def test_choices_of_a_later_prompt_are_counted_on() -> None:
    model = FakeLanguageModel(0)
    answering = Answering(model, 1)
    events = [event async for event in answering.events(Generation(model.text("a")), first=4)]
    assert {event.choice for event in events} == {4}
