"""JSON schemas as grammars: whatever a model writes by one of them is valid by its schema.

What is generated may be a part of what is valid: properties come in the order of the schema, none
that it does not name comes beside them, numbers have 15 digits at most, and a schema holds itself
ten times at most. What would have to be
counted or compared across an answer, such as `uniqueItems`, is refused.
"""

import json
from collections.abc import Mapping
from typing import Any

from services.runtime.errors import InvalidRequest
from services.runtime.llama.combination import alternatives, merged
from services.runtime.llama.formats import FORMATS
from services.runtime.llama.gbnf import MAX_REPEAT, Grammar, choice, invalid, literal, repeated
from services.runtime.llama.numbers import number
from services.runtime.llama.pattern import pattern
from services.runtime.llama.references import References

MAX_DEPTH = 100
MAX_SCHEMAS = 4_000

#: How often a schema may hold itself: else a small model would not come to an end.
MAX_RECURSION = 10

Schema = Mapping[str, Any]

_REFUSED = {
    "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
    "patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains",
    "$dynamicRef", "$recursiveRef", "additionalItems",
}  # fmt: skip
#: What a type is known by where it is not named.
_TELLING = {
    "properties": "object", "required": "object", "additionalProperties": "object",
    "items": "array", "prefixItems": "array", "minItems": "array", "maxItems": "array",
    "pattern": "string", "format": "string", "minLength": "string", "maxLength": "string",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number",
    "exclusiveMaximum": "number", "multipleOf": "number",
}  # fmt: skip
_CONSTRAINTS = {*_TELLING, "type", "enum", "const", "anyOf", "oneOf", "allOf"}
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


class _TooDeep(Exception):
    """A schema would hold itself more often than it may."""


def grammar_of(schema: Schema) -> str:
    """A grammar whose `root` is a value by the schema.

    Raises `InvalidRequest` for a schema that is invalid, too large or cannot be enforced.
    """
    grammar = Grammar()
    grammar.define("root", SchemaRules(grammar, schema).value())
    return grammar.text()


class SchemaRules:
    """The rules of one schema in a grammar."""

    def __init__(self, grammar: Grammar, schema: Schema) -> None:
        self._grammar = grammar
        self._root = schema
        self._references = References(schema)
        self._names: dict[tuple[str, int, str], str | None] = {}
        """Of what is behind references, by how often recursive ones were followed."""
        self._level = 0
        self._unwritten: set[str] = set()
        """References that are being followed with nothing written in between."""
        self._count = 0

    def value(self) -> str:
        """What matches a value by the schema. Raises `InvalidRequest`."""
        try:
            return self._value(self._root, 0)
        except _TooDeep:
            raise InvalidRequest(
                "The JSON schema is invalid: every value would hold another one of its kind, "
                "without end; let it be left out, or be null."
            ) from None
        except (TypeError, AttributeError, ArithmeticError) as error:
            # A keyword with a value of a wrong kind, of which there are more than can be named.
            raise InvalidRequest(
                "The JSON schema is invalid: a keyword has a value of a kind that it cannot have."
            ) from error

    def _value(self, schema: Any, depth: int) -> str:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_SCHEMAS:
            raise InvalidRequest(
                f"The JSON schema is too large to be enforced: at most {MAX_DEPTH} levels and "
                f"{MAX_SCHEMAS:,} schemas."
            )
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, Mapping):
            raise InvalidRequest(
                "The JSON schema is invalid: a schema in it is no object that a value can be "
                "valid by."
            )
        self._refuse(schema)
        if "$ref" in schema:
            return self._reference(schema, depth)
        if "allOf" in schema:
            return self._value(merged(schema, self._references.target), depth + 1)
        if options := alternatives(schema, self._references.target):
            return self._any(options, depth)
        if "const" in schema or "enum" in schema:
            return self._constants(schema)
        return self._typed(schema, depth)

    def _any(self, options: list[Any], depth: int) -> str:
        written = [one for option in options if (one := self._unless_deep(option, depth))]
        if not written:
            raise _TooDeep
        return choice(written)

    def _unless_deep(self, schema: Any, depth: int) -> str:
        """What matches the schema; nothing where it would hold itself too often."""
        try:
            return self._value(schema, depth + 1)
        except _TooDeep:
            return ""

    def _refuse(self, schema: Schema) -> None:
        found = sorted(_REFUSED & set(schema))
        if schema.get("uniqueItems"):
            found.append("uniqueItems")
        if found:
            raise InvalidRequest(
                f"The JSON schema cannot be enforced: {found[0]} is not supported; leave it out."
            )

    def _reference(self, schema: Schema, depth: int) -> str:
        reference = schema["$ref"]
        target = self._references.target(reference)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        constraints = ""
        if beside.keys() & _CONSTRAINTS:
            constraints = str(beside)
            target = merged({"allOf": [target, beside]}, self._references.target)
        elif reference in self._unwritten:
            raise InvalidRequest(
                f"The JSON schema is invalid: {reference[:80]} refers to itself and nothing else."
            )
        deeper = self._references.holds_itself(reference)
        if deeper and self._level == MAX_RECURSION:
            raise _TooDeep
        key = (reference, self._level, constraints)
        if key not in self._names:
            self._level += deeper
            self._unwritten.add(reference)
            try:
                self._names[key] = self._grammar.rule(self._value(target, depth + 1))
            except _TooDeep:
                self._names[key] = None
            self._unwritten.discard(reference)
            self._level -= deeper
        name = self._names[key]
        if name is None:
            raise _TooDeep
        return name

    def _constants(self, schema: Schema) -> str:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not isinstance(values, list):
            raise invalid("enum", "a list")
        self._count += len(values)
        kind = schema.get("type")
        if kind is not None:
            values = [value for value in values if _is(value, kind)]
        if "const" in schema and "enum" in schema:
            values = [value for value in values if value in schema["enum"]]
        if beside := sorted((_TELLING.keys() & schema.keys()) - {"format"}):
            raise InvalidRequest(
                f"The JSON schema cannot be enforced: {beside[0]} beside enum or const; "
                "name only the values that it leaves."
            )
        if not values:
            raise InvalidRequest("The JSON schema is invalid: no value of an enum is of its type.")
        return choice([literal(json.dumps(value, ensure_ascii=False)) for value in values])

    def _typed(self, schema: Schema, depth: int) -> str:
        kind = schema.get("type")
        if kind is None:
            kind = next((_TELLING[key] for key in schema if key in _TELLING), None)
        if isinstance(kind, list) and kind:
            return self._any([{**schema, "type": one} for one in kind], depth)
        if kind is None:
            return "value"
        if kind not in _TYPES:
            raise invalid("type", f"one of {', '.join(_TYPES)}")
        if kind in ("object", "array"):
            # What follows stands behind a bracket, so references may come again.
            unwritten, self._unwritten = self._unwritten, set()
            body = self._object(schema, depth) if kind == "object" else self._array(schema, depth)
            self._unwritten = unwritten
            return self._grammar.rule(body)
        if kind == "string":
            return self._string(schema)
        if kind in ("number", "integer"):
            return self._grammar.rule(number(schema, kind))
        return str(kind)

    def _object(self, schema: Schema, depth: int) -> str:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        others = schema.get("additionalProperties", True)
        if not isinstance(properties, Mapping):
            raise invalid("properties", "an object")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise invalid("required", "a list of names")
        named = {**properties, **{name: others for name in required if name not in properties}}
        least, most = _bounds(schema, "minProperties", "maxProperties")
        if not named:
            return self._map(others, least, most, depth)
        if least > len(required) or (most is not None and most < len(named)):
            raise InvalidRequest(
                "The JSON schema cannot be enforced: minProperties and maxProperties beside "
                "properties; say it with required."
            )
        pairs = []
        for name, one in named.items():
            if name in required:
                pairs.append((_pair(name, self._value(one, depth + 1)), True))
            elif one is not False and (value := self._unless_deep(one, depth)):
                pairs.append((_pair(name, value), False))
        return f'"{{" {self._pairs(pairs)} "}}"'

    def _pairs(self, pairs: list[tuple[str, bool]]) -> str:
        """Properties in their order, commas between those that are there."""
        later = begun = literal("")
        for pair, is_required in reversed(pairs):
            first, further = f"{pair} {later}", f'", " {pair} {later}'
            begun = self._grammar.rule(first if is_required else f"{first} | {begun}")
            later = self._grammar.rule(further if is_required else f"{further} | {later}")
        return begun

    def _map(self, others: Any, least: int, most: int | None, depth: int) -> str:
        if others is False:
            if least:
                raise invalid("minProperties", "0 where there are no properties")
            return '"{}"'
        if least > 1:
            # A name may come twice, which counts once.
            raise InvalidRequest(
                "The JSON schema cannot be enforced: minProperties above 1; name the properties."
            )
        value = self._unless_deep(others, depth)
        if not value:
            return self._map(False, least, most, depth)
        pair = self._grammar.rule(f'string ": " {value}')
        return f'"{{" {_list(pair, least, most)} "}}"'

    def _array(self, schema: Schema, depth: int) -> str:
        items, first = schema.get("items", True), schema.get("prefixItems", [])
        if isinstance(items, list):
            # What drafts before 2020-12 call prefixItems.
            items, first = True, items
        if not isinstance(first, list):
            raise invalid("prefixItems", "a list")
        least, most = _bounds(schema, "minItems", "maxItems")
        heads = [self._value(one, depth + 1) for one in first[:most]]
        if heads and items is True and least <= len(heads):
            most = len(heads)
        if items is False:
            if least > len(heads):
                raise invalid("minItems", "no more than there are items")
            most = len(heads)
        more = None if most is None else most - len(heads)
        head = ' ", " '.join(heads)
        if more == 0:
            return f'"[" {head} "]"' if head else '"[]"'
        rest = max(0, least - len(heads))
        item = self._value(items, depth + 1) if rest else self._unless_deep(items, depth)
        if not item:
            return f'"[" {head} "]"' if head else '"[]"'
        item = self._grammar.rule(item)
        if not head:
            return f'"[" {_list(item, rest, more)} "]"'
        return f'"[" {head} {_times(f"""(", " {item})""", rest, more)} "]"'

    def _string(self, schema: Schema) -> str:
        kinds = [key for key in ("pattern", "format") if key in schema]
        if "format" in kinds and schema["format"] not in FORMATS:
            kinds.remove("format")  # Unknown formats are annotations.
        least, most = _bounds(schema, "minLength", "maxLength")
        bounded = bool(least) or most is not None
        if len(kinds) + bounded > 1:
            raise InvalidRequest(
                "The JSON schema cannot be enforced: a string may have one of pattern, format, "
                "and bounds on its length."
            )
        if not kinds:
            if not bounded:
                return "string"
            return self._grammar.rule(rf'"\"" {_times("char", least, most)} "\""')
        if not isinstance(schema[kinds[0]], str):
            raise invalid(kinds[0], "a string")
        inside = pattern(schema["pattern"]) if kinds == ["pattern"] else FORMATS[schema["format"]]
        return self._grammar.rule(rf'"\"" ({inside}) "\""')


def _pair(name: str, value: str) -> str:
    return f"{literal(json.dumps(name, ensure_ascii=False) + ': ')} {value}"


def _list(item: str, least: int, most: int | None) -> str:
    """Items with commas between them."""
    if most == 0:
        return literal("")
    more = None if most is None else most - 1
    some = f'{item} {_times(f"""(", " {item})""", max(0, least - 1), more)}'
    return some if least else f"({some})?"


def _times(item: str, least: int, most: int | None) -> str:
    if least > MAX_REPEAT:
        raise InvalidRequest(
            f"The JSON schema cannot be enforced: more than {MAX_REPEAT} items or characters are "
            "required."
        )
    return repeated(item, least, None if most is None else min(most, MAX_REPEAT))


def _bounds(schema: Schema, least: str, most: str) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    for name, value in ((least, low), (most, high)):
        if value is not None and (type(value) is not int or value < 0):
            raise invalid(name, "a whole number, 0 or more")
    if high is not None and low > high:
        raise invalid(least, f"at most {most}")
    return low, high


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, or of one of several."""
    if isinstance(kind, list):
        return any(_is(value, one) for one in kind)
    known: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
        "boolean": bool, "null": type(None),
    }  # fmt: skip
    if isinstance(value, bool):
        return bool(kind == "boolean")
    return isinstance(kind, str) and kind in known and isinstance(value, known[kind])
