"""Every error class, as the gateway answers it."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gateway import errors
from gateway.app import create_app
from gateway.upstreams import Upstreams
from orfeon.api.common.v1 import error_pb2
from services.runtime.errors import BY_REASON, Internal, ModelLoading, OrfeonError, Overloaded
from services.runtime.status import DETAILS_KEY, code_of, details_of, error_of
from tests.fakes.gateway import settings_for


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(settings_for(tmp_path), Upstreams({}), None)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


STATUS = {
    "INVALID_REQUEST": 400,
    "CONTEXT_LENGTH_EXCEEDED": 400,
    "INVALID_AUDIO": 400,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "CONTENT_TOO_LARGE": 413,
    "INVALID_API_KEY": 401,
    "MISSING_SCOPE": 403,
    "NOT_FOUND": 404,
    "MODEL_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "RATE_LIMIT_EXCEEDED": 429,
    "OVERLOADED": 429,
    "CANCELLED": 499,
    "DEADLINE_EXCEEDED": 504,
    "SERVICE_UNAVAILABLE": 503,
    "MODEL_LOADING": 503,
    "MODEL_LOAD_FAILED": 503,
    "OUT_OF_MEMORY": 503,
    "INTERNAL": 500,
    "INSUFFICIENT_STORAGE": 507,
}


def test_every_error_class_has_a_status_here_and_a_name_in_the_contract() -> None:
    assert set(STATUS) == set(BY_REASON)
    names = {name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()}  # noqa: SIM118 (no dict)
    assert names - {"UNSPECIFIED"} == set(BY_REASON)


@pytest.mark.parametrize("cls", BY_REASON.values(), ids=lambda cls: cls.reason)
async def test_every_error_is_answered_with_its_status_in_the_envelope(
    app: FastAPI, client: httpx.AsyncClient, cls: type[OrfeonError]
) -> None:
    retry_after = 1.2 if cls.retryable else None

    async def fail() -> None:
        raise cls("What to change.", param="model", retry_after=retry_after)

    app.add_api_route("/fail", fail)
    response = await client.get("/fail")
    assert response.status_code == STATUS[cls.reason]
    assert response.json() == {
        "error": {
            "message": "What to change.",
            "type": cls.type,
            "param": "model",
            "code": cls.code,
        }
    }
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get("retry-after") == ("2" if cls.retryable else None)
    assert response.headers.get("retry-after-ms") == ("1200" if cls.retryable else None)
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)


@pytest.mark.parametrize("cls", BY_REASON.values(), ids=lambda cls: cls.reason)
def test_every_error_survives_the_wire(cls: type[OrfeonError]) -> None:
    facts = {"queue_position": 3.0, "estimated_wait": 1.5, "progress": 1 / 3}
    sent = cls(
        "What to change.",
        param="model",
        retry_after=1.25 if cls.retryable else None,
        facts=facts,
    )
    got = error_of(failure_of(sent))
    assert type(got) is cls
    assert got.facts == facts
    assert errors.envelope(got) == errors.envelope(sent)
    assert got.retry_after == sent.retry_after


def failure_of(error: OrfeonError) -> grpc.aio.AioRpcError:
    trailers = grpc.aio.Metadata((DETAILS_KEY, details_of(error)))
    return grpc.aio.AioRpcError(code_of(error), grpc.aio.Metadata(), trailers)


def test_facts_that_are_no_numbers_are_left_out() -> None:
    sent = Overloaded("Full.", facts={"estimated_wait": float("inf"), "progress": float("nan")})
    assert error_of(failure_of(sent)).facts == {}


async def test_a_full_queue_says_where_one_would_stand(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def fail() -> None:
        raise Overloaded("Full.", retry_after=2, facts={"queue_position": 7, "estimated_wait": 2.5})

    app.add_api_route("/fail", fail)
    response = await client.get("/fail")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.headers["x-queue-position"] == "7"
    assert response.headers["x-queue-estimated-wait-ms"] == "2500"


@pytest.mark.parametrize(("cls", "shown"), [(ModelLoading, True), (Internal, False)])
async def test_a_model_that_is_loading_says_how_far_it_is(
    app: FastAPI, client: httpx.AsyncClient, cls: type[OrfeonError], shown: bool
) -> None:
    async def fail() -> None:
        raise cls("Loading.", facts={"progress": 0.25})

    app.add_api_route("/fail", fail)
    body = (await client.get("/fail")).json()["error"]
    assert body.get("progress") == (0.25 if shown else None)
    assert set(body) - {"progress"} == {"message", "type", "param", "code"}


async def test_the_unexpected_is_a_fixed_sentence(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("a secret")

    app.add_api_route("/fail", fail)
    response = await client.get("/fail")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.headers["x-request-id"]
    assert "secret" not in response.text
    assert "unexpected failure" in caplog.text


@pytest.mark.parametrize(("status", "answered"), [(400, 400), (418, 400), (503, 500)])
async def test_exceptions_of_the_framework_take_the_envelope_too(
    app: FastAPI, client: httpx.AsyncClient, status: int, answered: int
) -> None:
    async def fail() -> None:
        raise HTTPException(status, "From below.")

    app.add_api_route("/fail", fail)
    response = await client.get("/fail")
    assert response.status_code == answered
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
