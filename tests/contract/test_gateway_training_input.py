"""Files and fine-tuning jobs that make no sense: refused in the envelope, by name."""

import json
from typing import Any

import httpx
import pytest

from tests.contract.test_gateway_bad_input import JSON, app, client, refused

__all__ = ["app", "client"]

FILES, JOBS = "/v1/files", "/v1/fine_tuning/jobs"
JOB = {"model": "whisper-tiny", "training_file": "file-1"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nabc\r\n'
PURPOSE = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'


def hyper(**values: object) -> dict[str, object]:
    return {"type": "supervised", "supervised": {"hyperparameters": values}}


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("model", None, "model"),
        ("model", "", "model"),
        ("model", "x" * 257, "model"),
        ("training_file", 3, "training_file"),
        ("training_file", "x" * 101, "training_file"),
        ("validation_file", [], "validation_file"),
        ("suffix", "", "suffix"),
        ("suffix", "x" * 65, "suffix"),
        ("suffix", "\ud800", "suffix"),
        ("seed", -1, "seed"),
        ("seed", 2**31, "seed"),
        ("seed", "7", "seed"),
        ("method", {"type": "dpo"}, "method.type"),
        ("method", {}, "method.type"),
        ("method", "supervised", "method"),
        ("method", hyper(n_epochs=0), "method.supervised.hyperparameters.n_epochs"),
        ("method", hyper(n_epochs=51), "method.supervised.hyperparameters.n_epochs"),
        ("method", hyper(n_epochs="many"), "method.supervised.hyperparameters.n_epochs"),
        ("method", hyper(batch_size=257), "method.supervised.hyperparameters.batch_size"),
        (
            "method",
            hyper(learning_rate_multiplier=0),
            "method.supervised.hyperparameters.learning_rate_multiplier",
        ),
        ("hyperparameters", {"n_epochs": 1.5}, "hyperparameters.n_epochs"),
        ("integrations", [{"type": "wandb"}], "integrations"),
        ("metadata", {"k": 3}, "metadata.k"),
        ("metadata", {"k": "v" * 513}, "metadata.k"),
        ("metadata", {str(n): "v" for n in range(17)}, "metadata"),
        ("metadata", "none", "metadata"),
        ("classifier", {"method": "magic"}, "classifier.method"),
        ("classifier", {"labels": "happy"}, "classifier.labels"),
        ("classifier", {"labels": ["x"] * 257}, "classifier.labels"),
        ("classifier", {"labels": [""]}, "classifier.labels[0]"),
        ("classifier", {"merge": {"a": 1}}, "classifier.merge.a"),
        ("classifier", {"split": "speakers"}, "classifier.split"),
        ("classifier", {"augment": "yes"}, "classifier.augment"),
        ("classifier", {"data": "/etc/passwd"}, "classifier.data"),
        ("priority", 3, "priority"),
    ],
)
async def test_values_out_of_range_are_named(
    client: httpx.AsyncClient, field: str, value: object, param: str
) -> None:
    body = json.dumps({**JOB, field: value})
    assert refused(await client.post(JOBS, content=body, headers=JSON))["param"] == param


async def test_a_job_needs_a_model_and_a_file(client: httpx.AsyncClient) -> None:
    for name in JOB:
        body = {each: value for each, value in JOB.items() if each != name}
        assert refused(await client.post(JOBS, json=body))["param"] == name


@pytest.mark.parametrize(
    "body",
    [
        JOB,
        {**JOB, "suffix": None, "validation_file": None, "seed": None, "method": None},
        {**JOB, "integrations": None, "metadata": None, "classifier": None},
        {**JOB, "integrations": [], "metadata": {}, "classifier": {}},
        {**JOB, "hyperparameters": {"n_epochs": "auto", "batch_size": None}},
        {**JOB, "method": {"type": "supervised"}},
        {**JOB, "method": hyper(n_epochs=50, batch_size=1, learning_rate_multiplier=2)},
    ],
    ids=range(7),
)
async def test_what_openai_takes_is_taken(client: httpx.AsyncClient, body: Any) -> None:
    # There is no service behind this gateway.
    assert (await client.post(JOBS, json=body)).status_code == 404


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"{JOBS}?limit=0", "limit"),
        (f"{JOBS}?limit=101", "limit"),
        (f"{JOBS}?limit=many", "limit"),
        (f"{JOBS}?after={'x' * 101}", "after"),
        (f"{JOBS}/{'x' * 101}", "fine_tuning_job_id"),
        (f"{JOBS}/1/events?limit=0", "limit"),
        (f"{JOBS}/1/events?limit=1001", "limit"),
        (f"{JOBS}/1/checkpoints?limit=0", "limit"),
        (f"{FILES}?limit=0", "limit"),
        (f"{FILES}?limit=10001", "limit"),
        (f"{FILES}?order=up", "order"),
        (f"{FILES}/{'x' * 101}", "file_id"),
        (JOBS + "?" + "&".join(f"metadata[{n}]=1" for n in range(17)), "metadata"),
    ],
)
async def test_lists_have_bounds(client: httpx.AsyncClient, path: str, param: str) -> None:
    assert refused(await client.get(path))["param"] == param


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", FORM),
        (b"garbage", FORM),
        (FILE, FORM),
        (FILE + PURPOSE, FORM),
        (FILE + PURPOSE + b"--x--", {"content-type": "multipart/form-data"}),
        (FILE + PURPOSE + b"--x--", {"content-type": "multipart/form-data; boundary="}),
        (b"--x\r\n\r\nabc\r\n--x--\r\n", FORM),
        (b"--x\r\nContent-Disposition: attachment\r\n\r\nabc\r\n--x--\r\n", FORM),
        (b"--x\r\n" + b"A: " + b"b" * 20_000 + b"\r\n\r\n\r\n--x--\r\n", FORM),
        (PURPOSE * 20 + b"--x--\r\n", FORM),
        (PURPOSE.replace(b"fine-tune", b"\xff\xfe") + b"--x--\r\n", FORM),
    ],
    ids=range(11),
)
async def test_forms_that_are_none_are_refused(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str]
) -> None:
    response = await client.post(FILES, content=body, headers=headers)
    # Some of it may have been sent on before: then there is no service that takes it.
    assert response.status_code in (400, 404)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_file_is_no_json(client: httpx.AsyncClient) -> None:
    response = await client.post(FILES, json={"purpose": "fine-tune"})
    assert response.status_code == 415
