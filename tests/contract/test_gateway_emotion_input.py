"""Requests about voices that make no sense: refused in the envelope, by name, before any service
is asked."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.upstreams import Upstreams
from tests.fakes.gateway import settings_for

WAV = ("clip.wav", b"RIFF", "audio/wav")
VOICE = "data:audio/wav;base64,UklGRg=="
NAMES, REFERENCES = "known_speaker_names[]", "known_speaker_references[]"
CLASSIFICATIONS = "/v1/audio/classifications"
ROUTES = [
    CLASSIFICATIONS,
    "/v1/audio/diarization",
    "/v1/audio/embeddings",
    "/v1/audio/keywords",
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    # There is no service behind it, so what validation lets pass ends as 404.
    return create_app(settings_for(tmp_path_factory.mktemp("home")), Upstreams({}), None)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def refused(response: httpx.Response) -> str | None:
    """The field at fault."""
    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    error: dict[str, str | None] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert error["message"].endswith((".", "..."))
    assert "<class" not in error["message"]
    return error["param"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"files": {"file": ("empty.wav", b"", "audio/wav")}}, "file"),
        ({"files": {"other": WAV}}, "file"),
        ({"files": {"file": (None, b"text")}}, "file"),
        ({"files": {"file": WAV}, "data": {"priority": "9"}}, "priority"),
        ({"files": {"file": WAV}, "data": {"model": "x" * 300}}, "model"),
        ({"files": [("file", WAV)] * 33}, None),
    ],
)
async def test_bad_forms_name_the_field(
    client: httpx.AsyncClient, route: str, form: dict[str, object], param: str | None
) -> None:
    form["data"] = {"keywords[]": "yes", **form.get("data", {})}  # type: ignore[dict-item]
    assert refused(await client.post(route, **form)) == param  # type: ignore[arg-type]


@pytest.mark.parametrize("route", ["/v1/audio/classifications", "/v1/audio/embeddings"])
async def test_of_several_files_the_one_at_fault_is_named(
    client: httpx.AsyncClient, route: str
) -> None:
    for name in ("file", "file[]"):
        files = [(name, WAV)] * 3 + [(name, ("empty.wav", b"", "audio/wav"))]
        assert refused(await client.post(route, files=files)) == "file[3]"
    mixed = [("file", WAV), ("file", (None, b"text", "text/plain"))]
    assert refused(await client.post(route, files=mixed)) == "file[1]"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_k": "0"}, "top_k"),
        ({"top_k": "many"}, "top_k"),
        ({"top_k": "1.5"}, "top_k"),
        ({"threshold": "nan"}, "threshold"),
        ({"threshold": "inf"}, "threshold"),
        ({"threshold": "-0.1"}, "threshold"),
        ({"threshold": "1.1"}, "threshold"),
        ({"timeline": "perhaps"}, "timeline"),
        ({"speakers": "2"}, "speakers"),
        ({"fallback": "sometimes"}, "fallback"),
        ({"stream": "sse"}, "stream"),
    ],
)
async def test_bad_fields_of_a_classification_are_named(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    answer = await client.post(CLASSIFICATIONS, files={"file": WAV}, data=fields)
    assert refused(answer) == param


async def test_a_stream_is_of_one_file(client: httpx.AsyncClient) -> None:
    files = [("file", WAV)] * 2
    answer = await client.post(CLASSIFICATIONS, files=files, data={"stream": "true"})
    assert refused(answer) == "stream"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"num_speakers": "0"}, "num_speakers"),
        ({"speaker_count": "21"}, "speaker_count"),
        ({"response_format": "srt"}, "response_format"),
        ({NAMES: "Ana"}, NAMES),
        ({REFERENCES: VOICE}, NAMES),
        ({NAMES: ["Ana", "Ana"], REFERENCES: [VOICE, VOICE]}, NAMES),
        ({NAMES: " ", REFERENCES: VOICE}, NAMES),
        ({NAMES: "Ana", REFERENCES: "https://example.org/ana.wav"}, f"{REFERENCES}[0]"),
        ({NAMES: "Ana", REFERENCES: "data:audio/wav;base64,?"}, f"{REFERENCES}[0]"),
        ({NAMES: "Ana", REFERENCES: "data:audio/wav;base64,"}, f"{REFERENCES}[0]"),
        ({NAMES: list("abcde"), REFERENCES: [VOICE] * 5}, NAMES),
    ],
)
async def test_bad_fields_of_a_diarization_are_named(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    answer = await client.post("/v1/audio/diarization", files={"file": WAV}, data=fields)
    assert refused(answer) == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "keywords[]"),
        ({"keywords[]": ""}, "keywords[][0]"),
        ({"keywords[]": "x" * 101}, "keywords[][0]"),
        ({"keywords[]": ["yes"] * 33}, "keywords[]"),
        ({"keywords[]": "yes", "threshold": "0.4"}, "threshold"),
        ({"keywords[]": "yes", "language": "klingon"}, "language"),
    ],
)
async def test_bad_fields_of_a_search_are_named(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    answer = await client.post("/v1/audio/keywords", files={"file": WAV}, data=fields)
    assert refused(answer) == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"include[]": "logprobs"}, "include[]"),
        ({"include[]": "emotion"}, "include[]"),
        ({"include[]": "emotion", "response_format": "srt"}, "include[]"),
        ({"include[]": "emotion", "stream": "true"}, "include[]"),
        ({"include[]": "mood", "response_format": "verbose_json"}, "include[][0]"),
        (
            {
                "include[]": "emotion",
                "response_format": "verbose_json",
                "timestamp_granularities[]": "word",
            },
            "include[]",
        ),
    ],
)
async def test_what_a_transcript_cannot_include_is_said(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    answer = await client.post("/v1/audio/transcriptions", files={"file": WAV}, data=fields)
    assert refused(answer) == param


@pytest.mark.parametrize("route", ROUTES)
async def test_bodies_that_are_no_forms_are_refused(client: httpx.AsyncClient, route: str) -> None:
    assert (await client.post(route, json={"file": "clip.wav"})).status_code == 415
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert refused(await client.post(route, content=b"--y\r\n", headers=broken)) is None
    assert refused(await client.post(route, content=b"", headers=broken)) == "file"


@pytest.mark.parametrize("route", ROUTES)
async def test_what_makes_sense_passes(client: httpx.AsyncClient, route: str) -> None:
    fields = {"keywords[]": "yes", "threshold": "0.5", "top_k": "3", "fallback": "never"}
    response = await client.post(route, files={"file": WAV}, data=fields)
    assert response.status_code == 404
