import json
import re
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidRequest
from services.runtime.llama.ranges import between
from services.runtime.llama.schema import grammar_of
from tests.gbnf import Writer, matches
from tests.json_schemas import BOOLEAN, SCHEMAS


def valid(schema: Any, text: str) -> Any:
    value = json.loads(text)
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    if isinstance(schema.get("items"), list):
        kind = jsonschema.Draft7Validator
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(value)
    text.encode()
    return value


def test_there_are_a_hundred() -> None:
    assert len(SCHEMAS) == 100


@pytest.mark.parametrize("name", SCHEMAS)
def test_whatever_is_written_by_a_grammar_is_valid_by_its_schema(name: str) -> None:
    schema = SCHEMAS[name]
    writer = Writer(grammar_of(schema))
    for _ in range(60):
        valid(schema, writer.write())


def test_every_property_can_be_left_out_or_be_there() -> None:
    writer = Writer(grammar_of(SCHEMAS["all optional"]))
    seen = {tuple(json.loads(writer.write())) for _ in range(400)}
    assert len(seen) == 8
    assert () in seen
    assert ("a", "b", "c") in seen


def test_text_may_hold_whatever_json_may() -> None:
    writer = Writer(grammar_of({"type": "string"}), seed=3)
    for _ in range(500):
        valid({}, writer.write())


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#"}, "maxItems": 2},
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
        {"type": "object", "additionalProperties": {"$ref": "#"}, "maxProperties": 1},
        {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}]},
        {"$ref": "#/$defs/a", "$defs": {
            "a": {"type": "array", "items": {"$ref": "#/$defs/b"}, "maxItems": 2},
            "b": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}},
        }},
    ],
)  # fmt: skip
def test_a_schema_that_holds_itself_is_written_and_comes_to_an_end(schema: Any) -> None:
    grammar = grammar_of(schema)
    texts = [Writer(grammar, seed).write() for seed in range(300)]
    assert max(map(len, texts)) > 20
    for text in texts:
        valid(schema, text)
        assert len(re.findall(r"[\[{]", text)) < 4000


def test_what_holds_itself_may_do_so_ten_times() -> None:
    schema = {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}, "minItems": 1,
                                           "maxItems": 1}]}  # fmt: skip
    writer = Writer(grammar_of(schema), deep=99)
    assert max((writer.write() for _ in range(20_000)), key=len) == "[" * 10 + "null" + "]" * 10


@given(st.integers(-2000, 2000), st.integers(0, 400), st.integers(0, 3), st.integers(0, 99))
def test_numbers_lie_between_their_bounds(low: int, width: int, scale: int, seed: int) -> None:
    written = Writer("root ::= " + between(low, low + width, scale), seed).write()
    assert low <= round(float(written) * 10**scale) <= low + width
    assert len(written.partition(".")[2]) == scale


@given(st.integers(-300, 300), st.integers(0, 60))
def test_every_number_between_the_bounds_can_be_written_and_no_other(low: int, width: int) -> None:
    grammar = between(low, low + width)
    near = range(low - 20, low + width + 20)
    assert [at for at in near if matches(grammar, str(at))] == list(range(low, low + width + 1))


REFUSED: list[tuple[str, Any]] = [
    ("no schema", 3),
    ("false", False),
    ("unknown type", {"type": "song"}),
    ("type a number", {"type": 3}),
    ("no types", {"type": []}),
    ("items unhashable", {"type": [["a"]]}),
    ("properties a list", {"type": "object", "properties": []}),
    ("required a word", {"type": "object", "properties": {"a": BOOLEAN}, "required": "a"}),
    ("required numbers", {"type": "object", "required": [1]}),
    ("property a number", {"type": "object", "properties": {"a": 1}, "required": ["a"]}),
    ("enum no list", {"enum": "a"}),
    ("enum empty", {"enum": []}),
    ("enum of another type", {"type": "integer", "enum": ["a"]}),
    ("enum and a length", {"enum": ["a"], "minLength": 2}),
    ("negative length", {"type": "string", "minLength": -1}),
    ("length a word", {"type": "string", "maxLength": "ten"}),
    ("bounds crossed", {"type": "string", "minLength": 5, "maxLength": 2}),
    ("no number between", {"type": "integer", "minimum": 3, "maximum": 2}),
    ("minimum a word", {"type": "integer", "minimum": "low"}),
    ("minimum not finite", {"type": "integer", "minimum": float("nan")}),
    ("maximum not finite", {"type": "number", "maximum": float("inf")}),
    ("multiples without end", {"type": "integer", "multipleOf": 7}),
    ("pattern invalid", {"type": "string", "pattern": "("}),
    ("pattern that looks ahead", {"type": "string", "pattern": "^(?=a)"}),
    ("pattern that refers back", {"type": "string", "pattern": r"^(a)\1$"}),
    ("pattern without case", {"type": "string", "pattern": "(?i)a"}),
    ("pattern with an inner anchor", {"type": "string", "pattern": "a(^b)"}),
    ("pattern of an empty class", {"type": "string", "pattern": r"^[^\x00-\U0010ffff]$"}),
    ("pattern too long", {"type": "string", "pattern": "^(a{9999})$"}),
    ("pattern a number", {"type": "string", "pattern": 3}),
    ("pattern and length", {"type": "string", "pattern": "^a", "maxLength": 3}),
    ("unique", {"type": "array", "uniqueItems": True}),
    ("contains", {"type": "array", "contains": BOOLEAN}),
    ("not", {"not": {"type": "string"}}),
    ("conditional", {"if": {}, "then": {}}),
    ("pattern properties", {"type": "object", "patternProperties": {}}),
    ("remote reference", {"$ref": "https://example.org/schema.json"}),
    ("reference to nowhere", {"$ref": "#/$defs/a"}),
    ("reference a number", {"$ref": 3}),
    ("reference to itself", {"$ref": "#"}),
    ("references in a circle", {
        "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    }),
    ("circle through a choice", {"anyOf": [{"type": "null"}, {"$ref": "#"}]}),
    ("circle through all", {"allOf": [{"$ref": "#"}, {"type": "object"}]}),
    ("without end", {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
    ("lists without end", {"type": "array", "items": {"$ref": "#"}, "minItems": 1}),
    ("overlapping options", {"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}),
    ("options no list", {"anyOf": {}}),
    ("options that differ", {"allOf": [{"pattern": "a"}, {"pattern": "b"}]}),
    ("options of types apart", {"allOf": [{"type": "string"}, {"type": "null"}]}),
    ("parts that forbid", {"allOf": [
        {"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}}},
    ]}),
    ("too many items", {"type": "array", "minItems": 100_000}),
    ("counted names", {"type": "object", "minProperties": 2}),
]  # fmt: skip


@pytest.mark.parametrize("schema", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_enforced_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"schema"):
        grammar_of(schema)


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        deep(5000),
        {"type": "object", "properties": {f"p{n}": BOOLEAN for n in range(5000)}},
        {"enum": ["x" * 1000] * 1000},
        {"type": "string", "pattern": "^" + "(a|b){1,500}" * 9000 + "$"},
        {"type": "string", "pattern": "(" * 20_000},
        {"$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
         | {"d40": {}}, "allOf": [{"$ref": "#/$defs/d0"}]},
    ],
    ids=["deep", "wide", "long enum", "long pattern", "deep pattern", "exponential"],
)  # fmt: skip
def test_what_is_too_large_is_refused_at_once(schema: dict[str, Any]) -> None:
    began = time.process_time()
    try:
        grammar = grammar_of(schema)
    except InvalidRequest:
        grammar = ""
    assert time.process_time() - began < 1
    assert len(grammar) < 300_000


@pytest.mark.parametrize("kind", ["const", "object"])
def test_more_options_than_can_be_told_apart_in_time_are_refused(kind: str) -> None:
    options: list[Any] = [{"const": at} for at in range(3_000)]
    if kind == "object":
        options = [{"properties": {"k": option}, "required": ["k"]} for option in options]
    with pytest.raises(InvalidRequest, match="at most 256"):
        grammar_of({"oneOf": options})


def test_long_lists_are_compared_in_time() -> None:
    many = 30_000
    began = time.process_time()
    one, other = list(range(many)), list(range(many - 1, 2 * many))
    assert grammar_of({"allOf": [{"enum": one}, {"enum": other}]}) == grammar_of(
        {"enum": [many - 1]}
    )
    with pytest.raises(InvalidRequest, match="may hold at once"):
        grammar_of({"oneOf": [{"enum": one}, {"enum": other}]})
    names = [[f"{letter}{at}" for at in range(many)] for letter in "ab"]
    with pytest.raises(InvalidRequest, match="too large"):
        grammar_of({"type": "object", "allOf": [{"required": part} for part in names]})
    # One by one they would take far longer.
    assert time.process_time() - began < 5
