"""The numbers of JSON schemas, as grammars."""

from collections.abc import Mapping
from decimal import Decimal
from math import ceil, floor, isfinite
from typing import Any

from services.runtime.errors import InvalidRequest
from services.runtime.llama.gbnf import choice, invalid, literal
from services.runtime.llama.ranges import LARGEST, between

#: Most values that a `multipleOf` may leave.
_MAX_MULTIPLES = 512
#: Decimals of a number that has bounds; more, where the bounds have more.
_DECIMALS, _MOST_DECIMALS = 2, 6
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def number(schema: Mapping[str, Any], kind: str) -> str:
    """What matches a `number` or an `integer` by a JSON schema. Raises `InvalidRequest`."""
    limits = {key: _decimal(key, schema[key]) for key in _LIMITS if _counts(schema, key)}
    step = _decimal("multipleOf", schema.get("multipleOf", 0))
    if not limits and (step == 0 or (step == 1 and kind == "integer")):
        return kind
    low, high = _whole_limits(limits, 0)
    if step not in (0, 1) or (step and kind == "number"):
        return _multiples(step, low, high)
    options = [between(low, high)] if low <= high else []
    if kind == "number":
        exponents = (-int(value.as_tuple().exponent) for value in limits.values())
        scale = min(max(_DECIMALS, *exponents), _MOST_DECIMALS)
        low, high = _whole_limits(limits, scale)
        options += [between(low, high, scale)] if low <= high else []
    if not options:
        raise InvalidRequest("The JSON schema is invalid: no number lies between its bounds.")
    return choice(options)


def _counts(schema: Mapping[str, Any], key: str) -> bool:
    # Draft 4 has booleans for the exclusive limits; false there says nothing.
    return key in schema and schema[key] is not False


def _decimal(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise invalid(name, "a number")
    return Decimal(str(value))


def _whole_limits(limits: Mapping[str, Decimal], scale: int) -> tuple[int, int]:
    """The lowest and the highest number of units of 10 ** -scale."""
    unit = 10**scale
    low, high = -LARGEST, LARGEST
    for key, limit in limits.items():
        scaled = limit * unit
        if key == "minimum":
            low = max(low, ceil(scaled))
        elif key == "maximum":
            high = min(high, floor(scaled))
        elif key == "exclusiveMinimum":
            low = max(low, floor(scaled) + 1)
        else:
            high = min(high, ceil(scaled) - 1)
    return low, high


def _multiples(step: Decimal, low: int, high: int) -> str:
    if step < 1 or step != int(step) or (high - low) // int(step) > _MAX_MULTIPLES:
        raise InvalidRequest(
            "The JSON schema cannot be enforced: multipleOf must be a whole number, and between "
            f"minimum and maximum there may be {_MAX_MULTIPLES} multiples; or leave it out."
        )
    first = -(-low // int(step)) * int(step)
    numbers = [literal(str(number)) for number in range(first, high + 1, int(step))]
    if not numbers:
        raise InvalidRequest("The JSON schema is invalid: no multiple lies between its bounds.")
    return choice(numbers)
