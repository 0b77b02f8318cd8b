"""Values of the chart, made from its schema: what a person might write, and YAML's traps."""

import functools
import json
import re
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.contract.chart import CHART

Schema = dict[str, Any]
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
SCHEMA: Schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

#: Strings that become something else where a template forgets to quote them, or break its lines.
TRAPS = (
    "", "yes", "null", "~", "1e3", "0x1F", "012", "1.0", "true", "a: b", "- a", "#a", "{a", "[a",
    "&a", "*a", "!a", "%a", "@a", "'", '"', "a\nb: c", "a\n---\nkind: Pod", "\ta", "a ", "é", "\\",
    "{{ .Values }}", "|", ">", "2026-11-22", "a,b", "$(A)", "`a`",
)  # fmt: skip
TEXT = st.sampled_from(TRAPS) | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12
)
#: In the stead of a value: mostly its schema refuses it.
WRONG = st.sampled_from([None, True, -1, 1.5, "a b", [], {}, ["a"], {"a": "b"}, 10**18, "\n"])


def values() -> st.SearchStrategy[dict[str, Any]]:
    """Some of the values that the schema allows."""
    return _of("#")


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """Values of which one is probably not allowed."""
    made: dict[str, Any] = draw(values().filter(bool))
    below: Any = made
    key = draw(st.sampled_from(sorted(below)))
    while isinstance(below[key], dict) and below[key] and draw(st.booleans()):
        below = below[key]
        key = draw(st.sampled_from(sorted(below)))
    below[key] = draw(WRONG)
    return made


@functools.cache
def _of(place: str) -> st.SearchStrategy[Any]:
    """What the schema at a place, a JSON pointer, allows."""
    schema: Any = SCHEMA
    for key in place.split("/")[1:]:
        schema = schema[int(key) if isinstance(schema, list) else key]
    if "$ref" in schema:
        return st.deferred(lambda: _of(schema["$ref"]))
    if "allOf" in schema:
        # The rest of it says which keys must be there, and defaults have them all.
        return _of(f"{place}/allOf/0")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of(*(_typed(each, schema, place) for each in types))


def _typed(kind: str, schema: Schema, place: str) -> st.SearchStrategy[Any]:
    match kind:
        case "object":
            return _object(schema, place)
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(
                _of(f"{place}/items"),
                min_size=least,
                max_size=min(schema.get("maxItems", 3), least + 3),
                unique_by=json.dumps if schema.get("uniqueItems") else None,
            )
        case "string":
            return _string(schema)
        case "integer":
            least, most = schema.get("minimum", 0), schema.get("maximum", 10**12)
            return st.integers(least, min(most, least + 9)) | st.integers(least, most)
        case "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 0.125)
            return st.floats(least, schema.get("maximum", 1e9), width=32)
        case "boolean":
            return st.booleans()
    raise ValueError(f"{place} has the type {kind}, which this strategy does not know.")


def _string(schema: Schema) -> st.SearchStrategy[str]:
    if "pattern" not in schema:
        return TEXT.filter(lambda text: len(text) >= schema.get("minLength", 0))
    pattern = re.compile(schema["pattern"])
    fitting = [trap for trap in TRAPS if pattern.search(trap)]
    made = st.from_regex(pattern, alphabet=st.characters(codec="ascii"))
    return st.one_of(made, st.sampled_from(fitting)) if fitting else made


def _object(schema: Schema, place: str) -> st.SearchStrategy[dict[str, Any]]:
    """A few of the known keys, as people set, and one or two of those that have any name."""
    properties = schema.get("properties", {})
    known = sorted(name for name in properties if not properties[name].get("deprecated"))
    more = schema.get("additionalProperties", False)
    if not known and not isinstance(more, dict):
        # Affinity, say, which the chart hands on as it is.
        return st.just({})

    @st.composite
    def some(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(known), max_size=4, unique=True)) if known else []
        # What is required elsewhere has a default.
        required = schema.get("required", []) if place.endswith("/items") else []
        names = dict.fromkeys([*required, *chosen])
        made = {name: draw(_of(f"{place}/properties/{name}")) for name in names}
        if isinstance(more, dict):
            below = _of(f"{place}/additionalProperties")
            made |= draw(st.dictionaries(_names(schema, place), below, max_size=2))
        return made

    return some()


def _names(schema: Schema, place: str) -> st.SearchStrategy[str]:
    """The names of a map: those that it has by default, and any other that is allowed."""
    rule = schema.get("propertyNames", {})
    refused = rule.get("not", {}).get("pattern", r"(?!)")
    names = _string(rule).filter(lambda name: not re.search(refused, name))
    default = DEFAULTS.get(place.rpartition("/")[2])
    return st.one_of(st.sampled_from(sorted(default)), names) if default else names
