"""Reads grammars in llama.cpp's notation: writes random texts by them, and says what they match."""

import random
import re
from typing import Any

_TOKEN = re.compile(
    r'\s*(?:(?P<name>[a-zA-Z][\w-]*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])'
    r"|(?P<times>\{\d+(?:,\d*)?\})|(?P<sign>[()|*+?]))"
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-F]{2})|U([0-9A-F]{8})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "r": "\r", "t": "\t"}
#: Repetitions beyond the fewest, and depth from which the shortest way out is taken.
MORE, DEEP = 3, 12

Node = tuple[Any, ...]


class Writer:
    """Writes by a grammar whose rules stand one a line."""

    def __init__(self, grammar: str, seed: int = 0, deep: int = DEEP) -> None:
        self._deep = deep
        self._random = random.Random(seed)
        self._rules: dict[str, Node] = {}
        for line in grammar.splitlines():
            name, _, body = line.partition(" ::= ")
            self._rules[name] = _Parser(body).alternatives()
        self._depths = self._shortest()

    def write(self) -> str:
        """A text that `root` matches."""
        return self._write(("name", "root"), 0)

    def _write(self, node: Node, depth: int) -> str:
        kind, value = node[0], node[1]
        if kind == "name":
            return self._write(self._rules[value], depth + 1)
        if kind == "text":
            return str(value)
        if kind == "set":
            low, high = self._random.choice(value)
            # Most of a wide range is far from what anybody writes.
            return chr(self._random.randint(low, min(high, max(low, 0x2FF))))
        if kind == "all":
            return "".join(self._write(part, depth) for part in value)
        if kind == "any":
            if depth > self._deep:
                value = [min(value, key=self._depth)]
            return self._write(self._random.choice(value), depth)
        least, most = node[2], node[3]
        most = least if depth > self._deep else min(most, least + MORE)
        count = self._random.randint(least, most)
        return "".join(self._write(value, depth) for _ in range(count))

    def _shortest(self) -> dict[str, float]:
        self._depths = dict.fromkeys(self._rules, float("inf"))
        before: dict[str, float] = {}
        while before != self._depths:
            before = dict(self._depths)
            for name, node in self._rules.items():
                self._depths[name] = self._depth(node) + 1
        return self._depths

    def _depth(self, node: Node) -> float:
        kind, value = node[0], node[1]
        if kind == "name":
            return self._depths[value]
        if kind == "all":
            return max(map(self._depth, value), default=0)
        if kind == "any":
            return min(map(self._depth, value))
        if kind == "times":
            return self._depth(value) if node[2] else 0
        return 0


def matches(body: str, text: str) -> bool:
    """Whether the body of a rule that names no other one matches the whole of a text."""
    return re.fullmatch(_expression(_Parser(body).alternatives()), text) is not None


def _expression(node: Node) -> str:
    """The regular expression."""
    kind, value = node[0], node[1]
    if kind == "text":
        return re.escape(str(value))
    if kind == "set":
        return "[" + "".join(f"\\U{low:08X}-\\U{high:08X}" for low, high in value) + "]"
    if kind == "all":
        return "".join(map(_expression, value))
    if kind == "any":
        return "(?:" + "|".join(map(_expression, value)) + ")"
    assert kind == "times", "rules have no expression"
    return f"(?:{_expression(value)}){{{node[2]},{node[3]}}}"


class _Parser:
    def __init__(self, body: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while body[at:].strip():
            match = _TOKEN.match(body, at)
            assert match is not None, f"no grammar: {body[at : at + 40]!r}"
            assert match.lastgroup is not None
            self._tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()

    def alternatives(self) -> Node:
        options = [self._sequence()]
        while self._tokens and self._tokens[0] == ("sign", "|"):
            self._tokens.pop(0)
            options.append(self._sequence())
        return ("any", options)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._tokens and self._tokens[0] not in (("sign", "|"), ("sign", ")")):
            kind, text = self._tokens.pop(0)
            if kind == "name":
                parts.append(("name", text))
            elif kind == "text":
                parts.append(("text", _ESCAPE.sub(_unescape, text[1:-1])))
            elif kind == "set":
                parts.append(("set", _ranges(text[1:-1])))
            elif text == "(":
                parts.append(self.alternatives())
                assert self._tokens.pop(0) == ("sign", ")")
            else:
                parts[-1] = ("times", parts[-1], *_times(text))
        return ("all", parts)


def _times(text: str) -> tuple[int, int]:
    if text in "*+?":
        return {"*": (0, 1 << 30), "+": (1, 1 << 30), "?": (0, 1)}[text]
    least, comma, most = text[1:-1].partition(",")
    return int(least), int(most or (1 << 30)) if comma else int(least)


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _SHORT.get(match[3], match[3])


def _ranges(text: str) -> list[tuple[int, int]]:
    negated = text.startswith("^")
    characters = [
        (_unescape(part) if (part := _ESCAPE.fullmatch(raw)) else raw, raw)
        for raw in re.findall(r"\\x[0-9A-F]{2}|\\U[0-9A-F]{8}|\\.|.", text[negated:])
    ]
    ranges: list[tuple[int, int]] = []
    while characters:
        first, _ = characters.pop(0)
        last = first
        if len(characters) > 1 and characters[0][1] == "-":
            characters.pop(0)
            last = characters.pop(0)[0]
        ranges.append((ord(first), ord(last)))
    return _complement(ranges) if negated else ranges


def _complement(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    gaps, at = [], 0
    for low, high in sorted(ranges):
        if at < low:
            gaps.append((at, low - 1))
        at = high + 1
    return [*gaps, (at, 0xD7FF)]
