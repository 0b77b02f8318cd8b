import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speech.phrases import phrases, sentences, speakable


def cut(text: str, longest: int) -> list[str]:
    return ["".join(phrase) for phrase in phrases(list(text), longest)]


def test_a_short_sentence_stays_whole() -> None:
    assert cut("one, two and three", 18) == ["one, two and three"]


def test_a_long_sentence_is_cut_after_a_clause() -> None:
    assert cut("ten small birds, sat in a tree", 24) == ["ten small birds, ", "sat in a tree"]


def test_without_clauses_it_is_cut_between_words() -> None:
    assert cut("word word word word word", 12) == ["word word ", "word word ", "word"]


def test_without_words_it_is_cut_anywhere() -> None:
    assert cut("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_a_clause_too_near_the_start_is_passed_over() -> None:
    assert cut("No, thank you very much indeed", 16)[0] == "No, thank you "


def test_scripts_without_spaces_are_cut_after_their_own_clauses() -> None:
    assert cut("今天天气很好，我们去公园吧", 9) == ["今天天气很好，", "我们去公园吧"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One two. Three four? Five six! Seven… Eight", ["One two.", "Three four?", "Five six!"]),
        ("It costs 3.50 today. Take it.", ["It costs 3.50 today.", "Take it."]),
        ("Dr. Smith came. He sat.", ["Dr. Smith came.", "He sat."]),
        ("a title\n\nand a line\nno", ["a title", "and a line", "no"]),
        ("今天天气很好。我们走吧！好", ["今天天气很好。", "我们走吧！", "好"]),
        ("आज मौसम अच्छा है। चलो चलते हैं।", ["आज मौसम अच्छा है।", "चलो चलते हैं।"]),
        ("Hi.", ["Hi."]),
        (" \n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_their_script_says(text: str, parts: list[str]) -> None:
    assert list(sentences(text, 5))[: len(parts)] == parts


def test_a_sentence_too_short_goes_with_the_next() -> None:
    assert list(sentences("No. Yes. Perhaps they will. Or.", 9)) == [
        "No. Yes. Perhaps they will.",
        "Or.",
    ]


def test_nothing_gives_nothing() -> None:
    assert cut("", 10) == []


@given(st.text(alphabet="ab ,;", max_size=300), st.integers(min_value=1, max_value=40))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, longest: int) -> None:
    parts = cut(text, longest)
    assert "".join(parts) == text
    assert all(0 < len(part) <= longest for part in parts)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("nul\x00 and bell\x07", "nul  and bell "),
        ("two\nlines", "two\nlines"),
        ("see [[Paris]] [1]", "see  Paris  [1]"),
        ("¿Qué? 🎶", "¿Qué? 🎶"),
    ],
)
def test_what_no_voice_can_say_is_left_out(text: str, spoken: str) -> None:
    assert speakable(text) == spoken
