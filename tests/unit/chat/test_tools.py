import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.tools import CallReader

ONE = '<tool_call>\n{"name": "weather", "arguments": {"city": "Porto {}}"}}\n</tool_call>'
TWO = f'{ONE}\n<tool_call>\n{{"name": "time", "arguments": {{}}}}\n</tool_call>'


class Answer:
    """What a reader makes of a text that comes in parts."""

    def __init__(self, parts: list[str], *, anywhere: bool = True) -> None:
        reader = CallReader(anywhere=anywhere)
        self.text = ""
        self.calls: list[tuple[str, str]] = []
        ids = []
        for delta in [*map(reader.feed, parts), reader.finish()]:
            self.text += delta.text
            for call in delta.tool_calls:
                if call.id:
                    assert call.index == len(self.calls)
                    ids.append(call.id)
                    self.calls.append((call.name, ""))
                name, arguments = self.calls[call.index]
                self.calls[call.index] = (name, arguments + call.arguments)
        assert len(set(ids)) == len(ids)
        assert reader.called == bool(self.calls)


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted(at % (len(text) + 1) for at in cuts)
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.lists(st.integers(0, 300), max_size=40))
def test_however_a_text_is_cut_its_calls_are_the_same(cuts: list[int]) -> None:
    answer = Answer(cut(f"Let me see. {TWO}", cuts))
    assert answer.text == "Let me see. "
    assert answer.calls == [("weather", '{"city": "Porto {}}"}'), ("time", "{}")]


@given(st.lists(st.integers(0, 40), max_size=8))
def test_text_without_a_call_is_text(cuts: list[int]) -> None:
    text = "a <tool_ca b <tool_call c <"
    assert Answer(cut(text, cuts)).text == text
    assert Answer(cut(text, cuts), anywhere=False).text == text


def test_arguments_come_as_they_are_written() -> None:
    reader = CallReader(anywhere=True)
    first = reader.feed('<tool_call>\n{"name": "f", "arguments": {"a')
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("f", '{"a')]
    then = reader.feed('": 1')
    assert [(call.id, call.index, call.arguments) for call in then.tool_calls] == [("", 0, '": 1')]


@pytest.mark.parametrize("anywhere", [True, False])
@pytest.mark.parametrize("end", range(len(ONE)))
def test_a_call_cut_short_has_the_beginning_of_its_arguments(end: int, anywhere: bool) -> None:
    answer = Answer(list(ONE[:end]), anywhere=anywhere)
    whole = '{"city": "Porto {}}"}'
    assert len(answer.calls) == (end >= ONE.index(whole))
    for name, arguments in answer.calls:
        assert name == "weather"
        assert whole.startswith(arguments)
    mark = len("<tool_call>")
    assert answer.text == (ONE[:end] if end < mark else "")


def test_a_json_answer_may_hold_the_mark() -> None:
    text = '{"say": "<tool_call>"}'
    answer = Answer(list(text), anywhere=False)
    assert (answer.text, answer.calls) == (text, [])
