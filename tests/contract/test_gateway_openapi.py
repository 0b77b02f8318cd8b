"""What /openapi.json promises."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.upstreams import Upstreams
from tests.fakes.gateway import settings_for

ROUTES = {
    ("post", "/v1/chat/completions"),
    ("post", "/v1/vision"),
    ("post", "/v1/completions"),
    ("post", "/v1/responses"),
    ("post", "/v1/embeddings"),
    ("post", "/v1/lyrics"),
    ("post", "/v1/melodies"),
    ("post", "/v1/sound-generation"),
    ("get", "/v1/melodies/genres"),
    ("post", "/v1/songs"),
    ("get", "/v1/jobs"),
    ("get", "/v1/jobs/{job_id}"),
    ("delete", "/v1/jobs/{job_id}"),
    ("get", "/v1/jobs/{job_id}/events"),
    ("post", "/v1/jobs/{job_id}/again"),
    ("get", "/v1/jobs/{job_id}/artifacts/{name}"),
    ("post", "/v1/files"),
    ("get", "/v1/files"),
    ("get", "/v1/files/{file_id}"),
    ("delete", "/v1/files/{file_id}"),
    ("get", "/v1/files/{file_id}/content"),
    ("post", "/v1/fine_tuning/jobs"),
    ("get", "/v1/fine_tuning/jobs"),
    ("get", "/v1/fine_tuning/jobs/{fine_tuning_job_id}"),
    ("get", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/events"),
    ("get", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints"),
    ("post", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/cancel"),
    ("post", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/pause"),
    ("post", "/v1/fine_tuning/jobs/{fine_tuning_job_id}/resume"),
    ("post", "/v1/audio/speech"),
    ("get", "/v1/audio/voices"),
    ("post", "/v1/audio/transcriptions"),
    ("post", "/v1/audio/translations"),
    ("post", "/v1/audio/classifications"),
    ("post", "/v1/audio/diarization"),
    ("post", "/v1/audio/embeddings"),
    ("post", "/v1/audio/keywords"),
    ("post", "/v1/images/generations"),
    ("post", "/v1/images/edits"),
    ("post", "/v1/images/variations"),
    ("get", "/v1/images/files/{file_id}"),
    ("get", "/v1/models"),
    ("get", "/v1/models/{model}"),
    ("post", "/v1/models/{model}/load"),
    ("post", "/v1/models/{model}/unload"),
    ("get", "/v1/queue"),
    ("get", "/v1/usage"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}
#: Without a key; the address of an image is a secret itself.
OPEN = {"/healthz", "/readyz", "/metrics", "/v1/images/files/{file_id}"}


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = settings_for(tmp_path_factory.mktemp("home"))
    return create_app(settings, Upstreams({}), None).openapi()


def operations(schema: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_routes_are_these(schema: dict[str, Any]) -> None:
    assert set(operations(schema)) == ROUTES


def test_every_route_documents_its_failures_in_the_envelope(schema: dict[str, Any]) -> None:
    for (_, path), operation in operations(schema).items():
        failing = {status for status in operation["responses"] if not status.startswith("2")}
        assert "422" not in failing
        assert "500" in failing
        if path not in OPEN:
            # Any key may look at the queue, and at what it has used.
            anybodys = path in ("/v1/queue", "/v1/usage")
            assert {"401", "403"} <= failing | ({"403"} if anybodys else set())
            assert operation["security"] == [{"key": []}]
        for status in failing:
            content = operation["responses"][status]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/ErrorEnvelope")
            assert set(content["example"]["error"]) == {"message", "type", "param", "code"}


def test_every_route_says_what_it_does_and_shows_an_answer(schema: dict[str, Any]) -> None:
    for operation in operations(schema).values():
        assert operation["summary"]
        assert operation["description"]
        answered = operation["responses"].get("200") or operation["responses"]["202"]
        contents = answered["content"].values()
        assert any("example" in content for content in contents)


def test_every_json_body_has_examples(schema: dict[str, Any]) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]
        for operation in operations(schema).values()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    assert len(bodies) >= 8
    assert all(body["examples"] for body in bodies)


def test_the_granularities_keep_openais_name(schema: dict[str, Any]) -> None:
    form = schema["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
    name = form["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    assert "timestamp_granularities[]" in schema["components"]["schemas"][name]["properties"]


def test_no_route_lies_behind_another_router(tmp_path: Path) -> None:
    # FastAPI makes what is included a second time, and looks for routes there in two steps.
    app = create_app(settings_for(tmp_path), Upstreams({}), None)
    assert [each for each in app.routes if not hasattr(each, "path")] == []


async def test_no_page_loads_anything_from_elsewhere(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path), Upstreams({}), None)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.get("/openapi.json")).status_code == 200
        for page in ("/docs", "/redoc"):
            assert (await client.get(page)).status_code == 404
