"""What `allOf`, `anyOf` and `oneOf` of a JSON schema come to."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from services.runtime.errors import InvalidRequest

Schema = Mapping[str, Any]
Resolve = Callable[[Any], Any]

#: What says nothing of a value.
_ANNOTATIONS = {
    "title", "description", "default", "examples", "example", "deprecated", "readOnly",
    "writeOnly", "$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "discriminator",
    "strict",
}  # fmt: skip
#: Of two limits, the narrower one holds.
_NARROWER: dict[str, Callable[..., Any]] = {
    "minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max,
    "minProperties": max, "maximum": min, "exclusiveMaximum": min, "maxLength": min,
    "maxItems": min, "maxProperties": min,
}  # fmt: skip
_MOST = 64
MOST_OPTIONS = 256
"""Of `oneOf`, each of which is compared with each."""


def merged(schema: Schema, resolve: Resolve) -> Schema:
    """A schema with `allOf`, as one without it. Raises `InvalidRequest`."""
    result: Schema = {key: value for key, value in schema.items() if key != "allOf"}
    for part in _parts(schema, "allOf"):
        for _ in range(_MOST):
            if not (isinstance(part, Mapping) and "$ref" in part):
                break
            beside = {key: value for key, value in part.items() if key != "$ref"}
            part = _both(beside, resolve(part["$ref"]))
        result = _both(result, part)
    if "$ref" in result:
        raise InvalidRequest("The JSON schema cannot be enforced: its allOf never ends.")
    return result


def alternatives(schema: Schema, resolve: Resolve) -> list[Any]:
    """The schemas of which a value must have one, for `anyOf` and `oneOf`; none without them.

    Raises `InvalidRequest`, also where two of `oneOf` may hold at once.
    """
    key = "anyOf" if "anyOf" in schema else "oneOf"
    if key not in schema:
        return []
    beside = {name: value for name, value in schema.items() if name != key}
    options = _parts(schema, key)
    if key == "oneOf":
        if len(options) > MOST_OPTIONS:
            raise InvalidRequest(
                f"The JSON schema cannot be enforced: oneOf has {len(options):,} options, and may "
                f"have at most {MOST_OPTIONS}; use anyOf, or an enum."
            )
        plain = [merged({"allOf": [option]}, resolve) for option in options]
        if not all(_apart(one, other) for one, other in combinations(plain, 2)):
            raise InvalidRequest(
                "The JSON schema cannot be enforced: options of oneOf may hold at once; use anyOf, "
                "or give each a property of its own with const."
            )
    if not beside.keys() - _ANNOTATIONS:
        return options
    return [merged({"allOf": [beside, option]}, resolve) for option in options]


def _parts(schema: Schema, key: str) -> list[Any]:
    parts = schema[key]
    if not isinstance(parts, list) or not parts:
        raise InvalidRequest(f"The JSON schema is invalid: {key} must be a list of schemas.")
    return parts


def _both(one: Any, other: Any) -> Schema:
    """What is valid by both."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        raise InvalidRequest("The JSON schema is invalid: a schema in it is no object.")
    result = dict(one)
    for key, value in other.items():
        if key not in result or key in _ANNOTATIONS:
            result.setdefault(key, value)
        elif result[key] != value:
            result[key] = _narrowed(key, result[key], value)
    if "additionalProperties" in result and one.get("properties") != other.get("properties"):
        _check_closed(one, other)
        _check_closed(other, one)
    return result


def _check_closed(one: Schema, other: Schema) -> None:
    names = set(other.get("properties", {})) - set(one.get("properties", {}))
    if one.get("additionalProperties", True) not in (True, {}) and names:
        raise InvalidRequest(
            "The JSON schema cannot be enforced: a part of allOf forbids what another one names; "
            "write them as one object."
        )


def _narrowed(key: str, one: Any, other: Any) -> Any:
    try:
        if key in _NARROWER:
            return _NARROWER[key](one, other)
        if key == "required":
            return list(dict.fromkeys([*one, *other]))
        if key == "properties":
            return {
                **one,
                **{
                    name: {"allOf": [one[name], value]} if name in one else value
                    for name, value in other.items()
                },
            }
        if key == "type" and (types := _types(one) & _types(other)):
            return sorted(types)
        if key == "enum":
            allowed = set(other)
            return [value for value in one if value in allowed]
    except (TypeError, AttributeError):
        pass
    raise InvalidRequest(
        f"The JSON schema cannot be enforced: parts of allOf, or what stands beside it, differ in "
        f"{key[:40]}; write it once."
    )


def _types(kind: Any) -> set[str]:
    types = set(kind) if isinstance(kind, list) else {kind}
    return types | {"integer"} if "number" in types else types


def _apart(one: Schema, other: Schema) -> bool:
    """Whether no value can be valid by both, as far as is easily seen."""
    if (types := _known(one)) and (others := _known(other)) and not types & others:
        return True
    values, their_values = _values(one), _values(other)
    if values is not None and their_values is not None:
        return _disjoint(values, their_values)
    shared = set(one.get("required", ())) & set(other.get("required", ()))
    return any(
        _property(one, name) and _property(other, name)
        and _apart(_property(one, name), _property(other, name))
        for name in shared
    )  # fmt: skip


def _disjoint(values: list[Any], others: list[Any]) -> bool:
    try:
        return set(values).isdisjoint(others)
    except TypeError:  # Lists and objects among them: of few it can be said nonetheless.
        return len(values) * len(others) <= _MOST and not any(one in others for one in values)


def _known(schema: Schema) -> set[str]:
    return _types(schema["type"]) if "type" in schema else set()


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _property(schema: Schema, name: str) -> Schema:
    found = schema.get("properties", {}).get(name, {})
    return found if isinstance(found, Mapping) else {}
