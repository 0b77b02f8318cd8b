"""Songs and jobs that make no sense: refused in the envelope, by name, before any service."""

import json
from typing import Any

import httpx
import pytest

from tests.contract.test_gateway_bad_input import JSON, app, client, refused

__all__ = ["app", "client"]

VERSE = {"kind": "verse", "lines": ["One"]}


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("genre", 3, "genre"),
        ("genre", "x" * 257, "genre"),
        ("title", "a" * 201, "title"),
        ("artist", ["Cash"], "artist"),
        ("theme", "\ud800", "theme"),
        ("first_line", "a" * 10_000, "first_line"),
        ("sections", ["verse"] * 17, "sections"),
        ("sections", ["solo"], "sections[0]"),
        ("lines", 0, "lines"),
        ("lines", 17, "lines"),
        ("duration", 0, "duration"),
        ("duration", 9.99, "duration"),
        ("duration", 181, "duration"),
        ("duration", float("nan"), "duration"),
        ("duration", "30", "duration"),
        ("tempo", 39, "tempo"),
        ("tempo", float("inf"), "tempo"),
        ("seed", 2**63, "seed"),
        ("seed", 1.5, "seed"),
        ("instrumental", "yes", "instrumental"),
        ("lyrics", [], "lyrics"),
        ("lyrics", "One", "lyrics"),
        ("lyrics", [{"kind": "verse", "lines": []}], "lyrics[0].lines"),
        ("lyrics", [{"kind": "verse", "lines": ["x"] * 10_000}], "lyrics[0].lines"),
        ("lyrics", [{"kind": "hook", "lines": ["x"]}], "lyrics[0].kind"),
        ("lyrics", [VERSE] * 17, "lyrics"),
        ("lyrics", [{"kind": "verse", "lines": ["x" * 201]}], "lyrics[0].lines[0]"),
        ("priority", 3, "priority"),
    ],
)
async def test_values_out_of_range_are_named(
    client: httpx.AsyncClient, field: str, value: object, param: str
) -> None:
    response = await client.post("/v1/songs", content=json.dumps({field: value}), headers=JSON)
    assert refused(response)["param"] == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"duration": "soon"}, "duration"),
        ({"lyrics": "One"}, "lyrics"),
        ({"lyrics": '[{"kind": "verse", "lines": []}]'}, "lyrics[0].lines"),
        ({"voice": "no file"}, "voice"),
    ],
)
async def test_forms_are_refused_by_the_same_names(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    files: Any = [(name, (None, value)) for name, value in fields.items()]
    response = await client.post("/v1/songs", files=files)
    assert refused(response)["param"] == param


async def test_a_voice_that_is_empty_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/songs", files={"voice": ("me.wav", b"", "audio/wav")})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "voice"


@pytest.mark.parametrize("body", [{}, {"step": "cover"}, {"step": "mix", "seed": "one"}])
async def test_a_step_to_repeat_must_be_one(client: httpx.AsyncClient, body: Any) -> None:
    refused(await client.post("/v1/jobs/song_1/again", json=body))


async def test_lists_have_bounds(client: httpx.AsyncClient) -> None:
    for limit in (0, 101, "many"):
        assert refused(await client.get(f"/v1/jobs?limit={limit}"))["param"] == "limit"


async def test_an_empty_wish_is_one(client: httpx.AsyncClient) -> None:
    empty: dict[str, Any] = {"title": "", "genre": "", "sections": [], "lyrics": None}
    for wish in ({}, empty):
        response = await client.post("/v1/songs", json=wish)
        assert response.status_code == 404  # There is no service behind this gateway.


async def test_what_should_be_an_object_is_called_so(client: httpx.AsyncClient) -> None:
    body = refused(await client.post("/v1/songs", json={"lyrics": ["verse"]}))
    assert (body["param"], body["message"]) == ("lyrics[0]", "lyrics[0] must be a JSON object.")


async def test_a_job_has_one_name_in_what_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/v1/jobs/{'x' * 101}")
    assert refused(response)["param"] == "job_id"
