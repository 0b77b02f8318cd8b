"""Grammars in llama.cpp's notation, and the rules of JSON in it.

JSON is written on one line, with one space after commas and colons: a model that is free to choose
its white space may write nothing else.
"""

from services.runtime.errors import InvalidRequest

#: Longest text of a grammar, and most repetitions that one rule counts: llama.cpp spells them out.
MAX_LENGTH = 150_000
MAX_REPEAT = 512

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Name -> body. One `char` is one character of the string, however it is escaped; half a surrogate
#: pair is none.
JSON = {
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" unit)',
    "unit": r"[0-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex",
    "hex": r"[0-9a-fA-F]",
    "string": r'"\"" char* "\""',
    "integer": r'"-"? ("0" | [1-9] [0-9]{0,14})',
    "number": r'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "object": r'"{" (pair (", " pair)*)? "}"',
    "pair": r'string ": " value',
    "array": r'"[" (value (", " value)*)? "]"',
    "value": "object | array | string | number | boolean | null",
}


def literal(text: str) -> str:
    """What matches the text and nothing else."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def choice(options: list[str]) -> str:
    """What matches any of the options, of which there is at least one."""
    return options[0] if len(options) == 1 else "(" + " | ".join(options) + ")"


def repeated(item: str, least: int, most: int | None) -> str:
    """What matches the item again and again; `most` None is without end."""
    if (least, most) == (0, None):
        return f"{item}*"
    return f"{item}{{{least},{'' if most is None else most}}}"


class Grammar:
    """Rules by name, of which `root` is the first. JSON's own are there without being asked."""

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._length = 0

    def rule(self, body: str) -> str:
        """The name of a rule with this body.

        Raises `InvalidRequest` once the grammar is too long.
        """
        if body not in self._names:
            self._names[body] = self.define(f"r{len(self._rules)}", body)
        return self._names[body]

    def define(self, name: str, body: str) -> str:
        """Gives a name, such as `root`, its body; returns the name."""
        self._length += len(body)
        if self._length > MAX_LENGTH:
            raise InvalidRequest(
                "The JSON schema is too large to be enforced: split it, or use fewer options."
            )
        self._rules[name] = body
        return name

    def text(self) -> str:
        """The grammar. `root` must have been defined."""
        rules = {"root": self._rules["root"], **JSON, **self._rules}
        return "\n".join(f"{name} ::= {body}" for name, body in rules.items()) + "\n"


def invalid(key: str, what: str) -> InvalidRequest:
    """The refusal of a JSON schema whose keyword is of a wrong kind."""
    return InvalidRequest(f"The JSON schema is invalid: {key} must be {what}.")


def _escaped(character: str) -> str:
    if character < " " or character == "\x7f":
        return _ESCAPES.get(character, f"\\x{ord(character):02X}")
    return _ESCAPES.get(character, character)
