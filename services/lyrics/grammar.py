"""The grammar of one line: words and a few marks, within bounds, and an end."""

from collections.abc import Iterable

LEAST_WORDS, MOST_WORDS = 3, 10
LONGEST_WORD = 16

_Range = tuple[int, int]

#: What words of a Latin script are made of, and words of any.
_LATIN: tuple[_Range, ...] = (
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F),
)  # fmt: skip
_ANY: tuple[_Range, ...] = (
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x1FFF), (0x2C00, 0x2DFF), (0x3040, 0xD7FF),
    (0xF900, 0xFDFF),
)  # fmt: skip
#: Languages known to need Latin letters alone; for others any script is let through.
_IN_LATIN = frozenset({"de", "en", "es", "fr", "it", "nl", "pt"})


def line(language: str, not_first: Iterable[str] = ()) -> str:
    """GBNF of a line with its line break. It begins with none of the letters `not_first`."""
    latin = language.partition("-")[0].lower() in _IN_LATIN
    letters = _LATIN if latin else _ANY
    forms = {form for letter in not_first for form in (letter, letter.lower(), letter.upper())}
    # The capital of some letters, such as ß, is two.
    excluded = [ord(form) for form in sorted(forms) if len(form) == 1]
    first = _without(letters, excluded)
    return "\n".join(
        [
            f'root ::= begin (","? " " word){{{LEAST_WORDS - 1},{MOST_WORDS - 1}}} [.!?,]? "\\n"',
            f"begin ::= {_class(first)} letter{{0,{LONGEST_WORD - 1}}} tail?",
            f"word ::= letter{{1,{LONGEST_WORD}}} tail?",
            "tail ::= ['’] letter{0,4}",
            f"letter ::= {_class(letters)}",
        ]
    )


def _without(ranges: Iterable[_Range], excluded: Iterable[int]) -> list[_Range]:
    left = list(ranges)
    for point in excluded:
        left = [part for low, high in left for part in _around(low, high, point)]
    return left


def _around(low: int, high: int, point: int) -> list[_Range]:
    if not low <= point <= high:
        return [(low, high)]
    return [part for part in ((low, point - 1), (point + 1, high)) if part[0] <= part[1]]


def _class(ranges: Iterable[_Range]) -> str:
    return "[" + "".join(f"\\u{low:04x}-\\u{high:04x}" for low, high in ranges) + "]"
