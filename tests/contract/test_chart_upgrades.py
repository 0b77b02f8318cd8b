"""Values of a chart before this one: none is lost in silence."""

import json
from collections.abc import Iterator
from typing import Any

import helm_python as helm
import pytest

from tests.contract.chart import CHART, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
SECRET = {"secretName": "a", "secretKey": "url"}


def _removed(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys that the schema knows only as removed."""
    for name, below in schema.get("properties", {}).items():
        if below.get("deprecated"):
            yield (*path, name)
        else:
            yield from _removed(below, (*path, name))


REMOVED = sorted(_removed(SCHEMA))


def test_there_are_some() -> None:
    assert ("ingressRoute",) in REMOVED


@pytest.mark.parametrize("path", REMOVED, ids=".".join)
@pytest.mark.parametrize("value", [{}, {"enabled": False}, None], ids=str)
def test_a_key_that_was_removed_is_named_with_the_one_that_took_its_place(
    path: tuple[str, ...], value: object
) -> None:
    values: Any = value
    for name in reversed(path):
        values = {name: values}
    if value is None:
        # Helm takes it as not given.
        assert render(values)
        return
    with pytest.raises(helm.HelmRenderError, match=rf"{'.'.join(path)} is \w+ now"):
        render(values)


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("ORFEON_GATEWAY_DATABASE_URL", "gateway.database.secretName"),
        ("DATABASE_URL", "gateway.database.secretName"),
        ("ORFEON_GATEWAY_RATE_LIMIT_STORAGE", "redis.external.secretName"),
    ],
)
def test_a_variable_that_has_a_value_of_its_own_now_is_refused(variable: str, place: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=f"{variable} is {place} now"):
        render({"gateway": {"secretEnv": {variable: SECRET}}})


def test_what_counts_together_is_never_named_by_plain_value() -> None:
    plain = {"ORFEON_GATEWAY_RATE_LIMIT_STORAGE": "redis://cache:6379/0"}
    with pytest.raises(helm.HelmRenderError, match=r"is redis\.external\.secretName now"):
        render({"gateway": {"env": plain}})
