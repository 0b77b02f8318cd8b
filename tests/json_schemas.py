"""A hundred JSON schemas of the kind that applications send: every answer must be valid by them."""

from typing import Any

Schema = dict[str, Any]

WORD: Schema = {"type": "string", "maxLength": 12}
LINE: Schema = {"type": "string", "maxLength": 24}
INTEGER: Schema = {"type": "integer", "minimum": 0, "maximum": 9999}
NUMBER: Schema = {"type": "number", "minimum": -100, "maximum": 100}
BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}


def record(*optional: str, **properties: Schema) -> Schema:
    """An object with these properties and no others; all required but the `optional`."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def some(items: Schema, least: int = 0, most: int = 3) -> Schema:
    """An array."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def one_of(*values: Any) -> Schema:
    """An enum."""
    return {"enum": list(values)}


def text(**rules: Any) -> Schema:
    """A string by some rule."""
    return {"type": "string", **rules}


def number(kind: str = "number", **rules: Any) -> Schema:
    """A number by some rule."""
    return {"type": kind, **rules}


POINT = record(x=NUMBER, y=NUMBER)
ADDRESS = record(street=LINE, city=WORD, postcode=text(pattern="^[0-9]{5}$"))
PERSON = record("email", name=WORD, age=number("integer", minimum=0, maximum=120),
                email=text(format="email"))  # fmt: skip
COLOUR = one_of("red", "green", "blue")
TREE: Schema = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": record(
            "left", "right", value=number("integer", minimum=0, maximum=9),
            left={"anyOf": [{"$ref": "#/$defs/leaf"}, NULL]}, right={"$ref": "#/$defs/leaf"},
        ),
        "leaf": record(value=number("integer", minimum=0, maximum=9)),
    },
}  # fmt: skip
#: Of both `circle` and `square`, by a constant.
SHAPE: Schema = {
    "oneOf": [
        record(kind={"const": "circle"}, radius=number(minimum=0, maximum=10)),
        record(kind={"const": "square"}, side=number(minimum=0, maximum=10)),
    ]
}

SCHEMAS: dict[str, Schema] = {
    # Scalars.
    "boolean": BOOLEAN,
    "null": NULL,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "short text": WORD,
    "text of a length": text(minLength=3, maxLength=8),
    "one character": text(minLength=1, maxLength=1),
    "nothing said": text(maxLength=0),
    "enum": COLOUR,
    "enum of several types": one_of("one", 2, 3.5, True, None),
    "enum with quotes": one_of('say "hi"', "back\\slash", "line\nbreak", "tab\t", "ünï", "日本"),
    "enum of a type": {"type": "string", "enum": ["a", 1, "b"]},
    "constant": {"const": "yes"},
    "constant object": {"const": {"a": [1, 2], "b": None}},
    "types": {"type": ["integer", "null"], "minimum": 0, "maximum": 5},
    "enum or null": {"type": ["string", "null"], "enum": ["low", "high", None]},
    "text or null": {"anyOf": [WORD, NULL]},
    # Bounds of numbers.
    "positive": number("integer", minimum=1, maximum=10**6),
    "above zero": number("integer", exclusiveMinimum=0, maximum=50),
    "below": number("integer", minimum=-20, exclusiveMaximum=0),
    "around zero": number("integer", minimum=-7, maximum=13),
    "odd bounds": number("integer", minimum=97, maximum=1203),
    "one number": number("integer", minimum=42, maximum=42),
    "probability": number(minimum=0, maximum=1),
    "percent": number(minimum=0, maximum=100),
    "exclusive": number(exclusiveMinimum=0, exclusiveMaximum=1),
    "narrow": number(minimum=0.25, maximum=0.3),
    "temperature": number(minimum=-273.15, maximum=1000),
    "at least": number(minimum=18.5),
    "at most": number("integer", maximum=-3),
    "safe integer": number("integer", minimum=-9007199254740991, maximum=9007199254740991),
    "tens": number("integer", multipleOf=10, minimum=0, maximum=100),
    "whole": number("integer", multipleOf=1),
    # Formats and patterns.
    "date": text(format="date"),
    "time": text(format="time"),
    "date and time": text(format="date-time"),
    "email": text(format="email"),
    "uuid": text(format="uuid"),
    "ipv4": text(format="ipv4"),
    "ipv6": text(format="ipv6"),
    "hostname": text(format="hostname"),
    "uri": text(format="uri"),
    "duration": text(format="duration"),
    "unknown format": text(format="poem", maxLength=10),
    "postcode": text(pattern="^[0-9]{5}$"),
    "phone": text(pattern=r"^\+?\d{2,3}[ -]\d{4,8}$"),
    "identifier": text(pattern="^[a-z_][a-z0-9_]{0,10}$"),
    "hex colour": text(pattern="^#([0-9a-f]{3}|[0-9a-f]{6})$"),
    "either": text(pattern="^(yes|no|maybe)$"),
    "alternatives": text(pattern="^a{1,3}$|^b{2}$"),
    "not a comma": text(pattern="^[^,]{1,8}$"),
    "version": text(pattern=r"^v?\d{1,2}\.\d{1,2}(\.\d{1,2})?$"),
    "quotes in a pattern": text(pattern=r'^["\\]{1,2}[\t ]x?$'),
    "not a digit": text(pattern=r"^\D{2}\S\W$"),
    # Arrays.
    "list": some(WORD),
    "list of numbers": some(NUMBER, 1, 4),
    "exactly two": some(INTEGER, 2, 2),
    "empty list": some(WORD, 0, 0),
    "at least one": {"type": "array", "items": COLOUR, "minItems": 1, "maxItems": 6},
    "matrix": some(some(number("integer", minimum=0, maximum=9), 2, 2), 2, 2),
    "tuple": {"type": "array", "prefixItems": [WORD, INTEGER], "items": False},
    "tuple and more": {"type": "array", "prefixItems": [BOOLEAN], "items": INTEGER, "minItems": 2,
                       "maxItems": 4},
    "old tuple": {"type": "array", "items": [BOOLEAN, NULL], "additionalProperties": False},
    "list of records": some(PERSON, 1, 2),
    # Objects.
    "empty object": record(),
    "one property": record(answer=WORD),
    "person": PERSON,
    "address": ADDRESS,
    "nested": record(name=WORD, address=ADDRESS),
    "all optional": record("a", "b", "c", a=BOOLEAN, b=INTEGER, c=COLOUR),
    "last optional": record("b", a=BOOLEAN, b=BOOLEAN),
    "first optional": record("a", a=BOOLEAN, b=BOOLEAN, c=BOOLEAN),
    "middle optional": record("b", a=BOOLEAN, b=BOOLEAN, c=BOOLEAN),
    "odd names": record(**{'a "b"': BOOLEAN, "c\\d": BOOLEAN, "é ü": BOOLEAN, "": BOOLEAN}),
    "open object": {"type": "object", "properties": {"a": BOOLEAN}, "required": ["a"]},
    "named by required alone": {"type": "object", "required": ["a"],
                                "additionalProperties": COLOUR},
    "map": {"type": "object", "additionalProperties": INTEGER, "maxProperties": 2},
    "no type": {"properties": {"a": BOOLEAN}, "required": ["a"]},
    "forbidden property": {"type": "object", "properties": {"a": BOOLEAN, "b": False}},
    # References and combinations.
    "reference": {**record(home={"$ref": "#/$defs/address"}), "$defs": {"address": ADDRESS}},
    "twice referred": {**record(a={"$ref": "#/definitions/p"}, b={"$ref": "#/definitions/p"}),
                       "definitions": {"p": POINT}},
    "tree": TREE,
    "linked list": {**record("next", value=COLOUR, next={"anyOf": [NULL, {"$ref": "#"}]})},
    "reference described": record(a={"$ref": "#/properties/b", "description": "as b"}, b=BOOLEAN),
    "any of objects": {"anyOf": [record(a=BOOLEAN), record(b=INTEGER)]},
    "one of by type": {"oneOf": [WORD, INTEGER, NULL]},
    "one of by constant": SHAPE,
    "all of one": {"allOf": [{"$ref": "#/$defs/c"}], "$defs": {"c": COLOUR}},
    "all of two": {"allOf": [
        {"type": "object", "properties": {"a": BOOLEAN}, "required": ["a"]},
        {"properties": {"b": INTEGER}, "required": ["b"]},
    ]},
    "beside any of": {"type": "object", "properties": {"a": BOOLEAN}, "required": ["a"],
                      "anyOf": [{"required": ["a"]}, {"properties": {"b": NULL}}]},
    # What applications ask for.
    "sentiment": record(sentiment=one_of("positive", "negative", "neutral"),
                        confidence=number(minimum=0, maximum=1)),
    "weather call": record("unit", location=LINE, unit=one_of("celsius", "fahrenheit")),
    "event": record(name=LINE, date=text(format="date"), participants=some(WORD)),
    "steps": record(steps=some(record(explanation=LINE, output=WORD), 1, 2), final_answer=WORD),
    "recipe": record(title=LINE, minutes=INTEGER, vegetarian=BOOLEAN,
                     ingredients=some(record(name=WORD, grams=INTEGER))),
    "invoice": record("note", id=text(format="uuid"), total=number(minimum=0, maximum=99999),
                      currency=one_of("EUR", "USD"), note={"anyOf": [LINE, NULL]},
                      lines=some(record(item=WORD, count=INTEGER), 1, 2)),
    "entities": record(entities=some(record(text=WORD, kind=one_of("person", "place", "date")))),
    "moderation": record(flagged=BOOLEAN, categories=record(hate=BOOLEAN, violence=BOOLEAN)),
    "search": record("filters", query=LINE, top_k=number("integer", minimum=1, maximum=20),
                     filters={"type": "object", "additionalProperties": COLOUR,
                              "maxProperties": 1}),
    "song": record(title=LINE, genre=one_of("rock", "pop", "rap"), bpm=number("integer", minimum=60,
                   maximum=200), sections=some(one_of("verse", "chorus", "bridge"), 2, 4)),
}  # fmt: skip
