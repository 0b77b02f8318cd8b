"""Melodies and sounds that make no sense: refused in the envelope, by name, before the service."""

import json

import httpx
import pytest

from tests.contract.test_gateway_bad_input import JSON, WAV, app, client, refused

__all__ = ["app", "client"]

VERSE = {"kind": "verse", "lines": [8]}


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("model", "x" * 257, "model"),
        ("genre", 3, "genre"),
        ("genre", "x" * 41, "genre"),
        ("mood", "m" * 41, "mood"),
        ("prompt", "p" * 1001, "prompt"),
        ("prompt", "\ud800", "prompt"),
        ("duration", 0, "duration"),
        ("duration", 181, "duration"),
        ("duration", float("nan"), "duration"),
        ("duration", float("inf"), "duration"),
        ("duration", "30", "duration"),
        ("tempo", 39, "tempo"),
        ("tempo", 241, "tempo"),
        ("tempo", float("nan"), "tempo"),
        ("key", "k" * 41, "key"),
        ("seed", -1, "seed"),
        ("seed", 2**63, "seed"),
        ("seed", 1.5, "seed"),
        ("temperature", 2.1, "temperature"),
        ("top_k", -1, "top_k"),
        ("top_p", 0, "top_p"),
        ("top_p", 1.1, "top_p"),
        ("guidance", 11, "guidance"),
        ("cfg", -1, "cfg"),
        ("sections", "verse", "sections"),
        ("sections", [{}], "sections[0].kind"),
        ("sections", [{"kind": "fugue"}], "sections[0].kind"),
        ("sections", [VERSE] * 33, "sections"),
        ("sections", [{"kind": "verse", "lines": [0]}], "sections[0].lines[0]"),
        ("sections", [{"kind": "verse", "lines": [41]}], "sections[0].lines[0]"),
        ("sections", [{"kind": "verse", "lines": ["la la"]}], "sections[0].lines[0]"),
        ("sections", [{"kind": "verse", "lines": [8] * 10_000}], "sections[0].lines"),
        ("response_format", "pcm", "response_format"),
        ("stream_format", "xml", "stream_format"),
        ("priority", 3, "priority"),
    ],
)
async def test_values_out_of_range_are_named(
    client: httpx.AsyncClient, field: str, value: object, param: str
) -> None:
    response = await client.post("/v1/melodies", content=json.dumps({field: value}), headers=JSON)
    assert refused(response)["param"] == param


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("duration", "0", "duration"),
        ("duration", "NaN", "duration"),
        ("duration", "long", "duration"),
        ("priority", "3", "priority"),
        ("sections", "[", "sections"),
        ("sections", '[{"kind": "fugue"}]', "sections[0].kind"),
        ("sections", "[" * 100_000, "sections"),
        ("file", "text", "file"),
        ("prompt", "p" * 1001, "prompt"),
    ],
)
async def test_fields_of_a_form_are_named_too(
    client: httpx.AsyncClient, field: str, value: str, param: str
) -> None:
    # Parts without a filename are fields.
    response = await client.post("/v1/melodies", files={"file": WAV, field: (None, value)})
    assert refused(response)["param"] == param


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b"[]", b"null"])
async def test_bodies_that_are_no_object_are_bad_requests(
    client: httpx.AsyncClient, body: bytes
) -> None:
    refused(await client.post("/v1/melodies", content=body, headers=JSON))


async def test_an_empty_recording_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/melodies", files={"file": ("tune.wav", b"", "audio/wav")})
    assert refused(response)["param"] == "file"


async def test_only_json_and_forms_are_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/melodies", content=b"genre=rock")
    assert response.status_code == 415


async def test_an_empty_wish_and_empty_texts_are_wishes(client: httpx.AsyncClient) -> None:
    for wish in ({}, {"model": "", "genre": "", "mood": "", "key": "", "sections": []}):
        response = await client.post("/v1/melodies", json=wish)
        assert response.status_code == 404  # There is no service behind this gateway.


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "x" * 1001}, "text"),
        ({"text": "rain", "duration_seconds": 0.5}, "duration_seconds"),
        ({"text": "rain", "duration_seconds": 181}, "duration_seconds"),
        ({"text": "rain", "prompt_influence": 1.1}, "prompt_influence"),
        ({"text": "rain", "model_id": 3}, "model_id"),
    ],
)
async def test_sounds_out_of_range_are_named(
    client: httpx.AsyncClient, body: dict[str, object], param: str
) -> None:
    response = await client.post("/v1/sound-generation", json=body)
    assert refused(response)["param"] == param
