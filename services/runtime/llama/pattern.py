"""Regular expressions as grammars of what stands between the quotes of a JSON string."""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from services.runtime.errors import InvalidRequest
from services.runtime.llama.gbnf import MAX_REPEAT, choice, literal, repeated

#: Python's own parser of regular expressions. It has had this name since 3.11, and no stubs.
_parser: Any = import_module("re._parser")

#: Characters of a regular expression.
MAX_LENGTH = 1_000

Ranges = list[tuple[int, int]]

_PRINTABLE: Ranges = [(0x20, 0x7E)]
_WRITABLE: Ranges = [(0x20, 0x7E), (0x80, 0xD7FF), (0xE000, 0x10FFFF)]
_DIGITS: Ranges = [(0x30, 0x39)]
_WORD: Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE: Ranges = [(0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)]
_SHORT = {0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r"}


def pattern(expression: str) -> str:
    """What matches strings in which the expression is found; a part of them, where it is lax.

    `\\d`, `\\w` and `\\s` and their opposites mean ASCII. Raises `InvalidRequest` for an expression
    that is invalid, or looks around, refers back or ignores case.
    """
    if len(expression) > MAX_LENGTH:
        raise _refusal(f"it has more than {MAX_LENGTH:,} characters")
    try:
        tree = _parser.parse(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise _refusal("it is not a valid regular expression") from error
    if tree.state.flags & (re.IGNORECASE | re.VERBOSE | re.MULTILINE):
        raise _refusal("flags cannot be enforced")
    return _whole(list(tree), "char*")


def _whole(items: list[Any], before: str) -> str:
    """A sequence whose ends may be anchored; where they are not, anything may stand beside it."""
    if items and _is_anchor(items[0], "AT_BEGINNING"):
        items, before = items[1:], ""
    if items and _name(items[-1]) == "BRANCH":
        *first, (_, (_, options)) = items
        return choice([_whole([*first, *option], before) for option in options])
    after = "char*"
    if items and _is_anchor(items[-1], "AT_END"):
        items, after = items[:-1], ""
    return " ".join(part for part in (before, _sequence(items), after) if part)


def _is_anchor(item: Any, name: str) -> bool:
    return _name(item) == "AT" and str(item[1]) in (name, f"{name}_STRING")


def _name(item: Any) -> str:
    return str(item[0])


def _sequence(items: Iterable[Any]) -> str:
    return "(" + " ".join([_item(item) for item in items] or [literal("")]) + ")"


def _item(item: Any) -> str:
    name, value = _name(item), item[1]
    if name == "LITERAL":
        return _characters([(value, value)])
    if name == "NOT_LITERAL":
        return _characters(_without(_WRITABLE, [(value, value)]))
    if name == "ANY":
        return _characters(_WRITABLE)
    if name == "IN":
        return _characters(_class(value))
    if name == "BRANCH":
        return choice([_sequence(option) for option in value[1]])
    if name == "SUBPATTERN":
        _, on, off, inside = value
        if on or off:
            raise _refusal("flags cannot be enforced")
        return _sequence(inside)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repetition(*value)
    if name == "AT":
        raise _refusal("anchors and word boundaries may stand at its ends alone")
    raise _refusal("looking around and referring back cannot be enforced")


def _repetition(least: int, most: Any, inside: Any) -> str:
    if least > MAX_REPEAT:
        raise _refusal(f"more than {MAX_REPEAT} repetitions cannot be enforced")
    endless = most is _parser.MAXREPEAT
    return repeated(_sequence(inside), least, None if endless else min(int(most), MAX_REPEAT))


def _class(parts: list[Any]) -> Ranges:
    """The characters of a class in brackets."""
    ranges: Ranges = []
    negated = _name(parts[0]) == "NEGATE"
    universe = _WRITABLE
    for part in parts[1:] if negated else parts:
        name, value = _name(part), part[1]
        if name == "LITERAL":
            ranges.append((value, value))
        elif name == "RANGE":
            ranges.append(value)
        else:
            # What is a letter outside ASCII depends on the dialect; so none is generated.
            universe = _PRINTABLE
            ranges += _category(str(value))
    return _without(universe, ranges) if negated else ranges


def _category(name: str) -> Ranges:
    known = {"DIGIT": _DIGITS, "WORD": _WORD, "SPACE": _SPACE}
    ranges = known[name.rpartition("_")[2]]
    return _without(_PRINTABLE, ranges) if "_NOT_" in name else ranges


def _without(ranges: Ranges, holes: Ranges) -> Ranges:
    for low, high in holes:
        left = [(a, min(b, low - 1)) for a, b in ranges]
        right = [(max(a, high + 1), b) for a, b in ranges]
        ranges = [(a, b) for a, b in left + right if a <= b]
    return ranges


def _characters(ranges: Ranges) -> str:
    """One character of these, escaped where JSON has it so."""
    escaped = [code for code in (*range(0x20), 0x22, 0x5C, 0x7F) if _holds(ranges, code)]
    plain = _without(
        ranges, [(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F), (0xD800, 0xDFFF)]
    )
    options = [literal(_escape(code)) for code in escaped]
    if plain:
        options.append("[" + "".join(f"{_point(a)}-{_point(b)}" for a, b in plain) + "]")
    if not options:
        raise _refusal("a class of characters in it is empty")
    return choice(options)


def _holds(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _escape(code: int) -> str:
    return _SHORT.get(code) or (
        f"\\u{code:04x}" if code < 0x20 or code == 0x7F else f"\\{chr(code)}"
    )


def _point(code: int) -> str:
    return f"\\U{code:08X}"


def _refusal(why: str) -> InvalidRequest:
    return InvalidRequest(f"A pattern of the JSON schema cannot be used: {why}.")
