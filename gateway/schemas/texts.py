"""Texts for a model, as OpenAI lets them be written: one or several, as text or as tokens."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from gateway.schemas.fields import Text

Tokens = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
OneText = Annotated[Text, Field(min_length=1)] | Tokens


def _as_several(value: object) -> object:
    """One text, or one list of tokens, as the only one of several."""
    if isinstance(value, str) or (isinstance(value, list) and value and type(value[0]) is int):
        return [value]
    return value


Texts = Annotated[
    list[OneText],
    Field(min_length=1),
    BeforeValidator(
        _as_several, json_schema_input_type=str | list[str] | list[int] | list[list[int]]
    ),
]
