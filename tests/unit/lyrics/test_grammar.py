"""The grammar of a line, by a translation of it into a regular expression."""

import re

import pytest

from services.lyrics import grammar


def expression(gbnf: str) -> re.Pattern[str]:
    """The grammar as one expression: it has no rule that contains itself."""
    rules = dict(line.split(" ::= ", 1) for line in gbnf.splitlines())

    def translated(body: str) -> str:
        tokens = re.findall(r'"(?:\\.|[^"])*"|\[[^\]]*\]|[a-z]+|\S', body)
        return "".join(
            re.sub(r"\\n", "\n", token[1:-1]) if token.startswith('"')
            else f"(?:{translated(rules[token])})" if token in rules
            else token
            for token in tokens
        )  # fmt: skip

    return re.compile(translated(rules["root"]))


@pytest.mark.parametrize(
    ("line", "language", "fits"),
    [
        ("I'm on the road again.\n", "en", True),
        ("Hold on, hold on to me\n", "en", True),
        ("Dónde estás, corazón\n", "es", True),
        ("Ночь и улица и фонарь\n", "ru", True),
        ("Ночь и улица и фонарь\n", "en", False),
        ("Two words\n", "en", False),
        ("One line without an end", "en", False),
        ("[Verse 1] of the song\n", "en", False),
        ("<script>alert me now\n", "en", False),
        ("a b c d e f g h i j k\n", "en", False),
        ("Aaaaaaaaaaaaaaaaaaaaaaaaaa goes the crowd\n", "en", False),
        ("\n", "en", False),
    ],
)
def test_a_line_is_some_words_and_an_end(line: str, language: str, fits: bool) -> None:
    assert bool(expression(grammar.line(language)).fullmatch(line)) is fits


def test_first_letters_can_be_forbidden_small_and_large() -> None:
    some = expression(grammar.line("en", ["i", "É", "Z", "ß"]))
    assert not some.fullmatch("I hit the road\n")
    assert not some.fullmatch("i hit the road\n")
    assert not some.fullmatch("été on the road\n")
    assert not some.fullmatch("zero on the road\n")
    assert some.fullmatch("Hit it in the zoo\n")
