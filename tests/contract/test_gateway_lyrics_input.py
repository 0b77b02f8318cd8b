"""Songs that make no sense: refused in the envelope, by name, before the service is asked."""

import json

import httpx
import pytest

from tests.contract.test_gateway_bad_input import JSON, app, client, refused

__all__ = ["app", "client"]


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("genre", 3, "genre"),
        ("genre", "x" * 257, "genre"),
        ("title", "a" * 201, "title"),
        ("style", ["Cash"], "style"),
        ("theme", "\ud800", "theme"),
        ("first_line", "a" * 10_000, "first_line"),
        ("mood", "m" * 41, "mood"),
        ("sections", ["verse"] * 1000, "sections"),
        ("sections", ["solo"], "sections[0]"),
        ("sections", "verse", "sections"),
        ("lines", 0, "lines"),
        ("lines", -4, "lines"),
        ("lines", 17, "lines"),
        ("seed", 2**63, "seed"),
        ("seed", 1.5, "seed"),
        ("temperature", float("nan"), "temperature"),
        ("temperature", -1, "temperature"),
        ("top_p", 1.1, "top_p"),
        ("top_k", -1, "top_k"),
        ("stream", "yes", "stream"),
        ("priority", 3, "priority"),
    ],
)
async def test_values_out_of_range_are_named(
    client: httpx.AsyncClient, field: str, value: object, param: str
) -> None:
    response = await client.post("/v1/lyrics", content=json.dumps({field: value}), headers=JSON)
    assert refused(response)["param"] == param


async def test_an_empty_wish_and_empty_texts_are_wishes(client: httpx.AsyncClient) -> None:
    for wish in ({}, {"title": "", "first_line": "", "genre": "", "mood": "", "sections": []}):
        response = await client.post("/v1/lyrics", json=wish)
        assert response.status_code == 404  # There is no service behind this gateway.
