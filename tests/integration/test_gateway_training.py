"""`/v1/files` and `/v1/fine_tuning/jobs` through OpenAI's own client, before a training service."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from openai import AsyncOpenAI

from gateway.keystore import KeyStore
from services.runtime import connection
from tests.fakes import trainings
from tests.fakes.gateway import error_of, eventually, running, settings_for
from tests.fakes.trainings import examples

FILES, JOBS = "/v1/files", "/v1/fine_tuning/jobs"
SCHEMAS = json.loads(Path(__file__).parent.parent.joinpath("openai/fine_tuning.json").read_text())
ENDED = {"succeeded", "failed", "cancelled"}


def conforms(answer: httpx.Response, schema: str) -> Any:
    """An answer, which must be of OpenAI's shape."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    jsonschema.validate(body, {"$ref": f"#/$defs/{schema}", "$defs": SCHEMAS["$defs"]})
    return body


@dataclass
class Front:
    """A gateway before a training service."""

    url: str
    keys: KeyStore
    secret: str
    trainings: trainings.Stage

    def client(self, secret: str = "") -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=secret or self.secret, max_retries=0)

    def http(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.secret}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)


@asynccontextmanager
async def fronted(home: Path, way: str = "steps=4", **more: Any) -> AsyncIterator[Front]:
    upstreams: Any = {"training": f"unix:{home}/training.sock"}
    settings = settings_for(home, **more).model_copy(update={"upstreams": upstreams})
    keys = KeyStore(settings.database_url, cache_seconds=0.2)
    _, secret = keys.create("alice")
    async with trainings.staged(home, way) as stage, running(settings, keys) as url:
        yield Front(url, keys, secret, stage)
    keys.close()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with fronted(tmp_path) as front:
        yield front


def anybody(url: str) -> AsyncOpenAI:
    """A client of a gateway that requires no keys."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="x")


async def uploaded(client: AsyncOpenAI, data: bytes = b"") -> str:
    file = ("voices.zip", data or examples())
    return (await client.files.create(file=file, purpose="fine-tune")).id


async def ended(client: AsyncOpenAI, job: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            found = await client.fine_tuning.jobs.retrieve(job)
            if found.status in ENDED:
                return found
            await asyncio.sleep(0.05)


async def test_a_model_from_its_file_to_its_name(front: Front) -> None:
    async with front.client() as client:
        file = await client.files.create(file=("voices.zip", examples()), purpose="fine-tune")
        assert (file.object, file.filename, file.purpose) == ("file", "voices.zip", "fine-tune")
        assert file.bytes == len(examples())
        assert abs(file.created_at - time.time()) < 60
        job = await client.fine_tuning.jobs.create(
            model="whisper-tiny",
            training_file=file.id,
            suffix="mine",
            seed=7,
            metadata={"team": "a"},
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
            extra_body={"classifier": {"drop": ["calm"], "classifies": "mood"}},
        )
        assert job.id.startswith("ftjob-")
        assert job.status in ("validating_files", "queued", "running")
        assert (job.seed, job.metadata, job.fine_tuned_model) == (7, {"team": "a"}, None)
        assert job.hyperparameters.n_epochs == 3
        assert job.hyperparameters.batch_size == "auto"
        done = await ended(client, job.id)
        assert done.status == "succeeded"
        assert done.fine_tuned_model == f"ft-whisper-tiny-mine-{job.id[-8:]}"
        assert done.finished_at >= done.created_at
        assert (done.trained_tokens, done.error) == (None, None)
        events = [event async for event in client.fine_tuning.jobs.list_events(job.id, limit=3)]
        assert len({event.id for event in events}) == len(events) > 8
        assert events[0].message == f"The model {done.fine_tuned_model} is there."
        metrics = [event for event in events if event.type == "metrics"]
        assert metrics[1].data == {"step": 4, "total_steps": 4, "train_loss": 0.25}
        checkpoints = await client.fine_tuning.jobs.checkpoints.list(job.id)
        assert [each.step_number for each in checkpoints.data] == [4, 3, 2, 1]
        figures = await client.files.content(done.result_files[0])
        assert b"accuracy" in figures.content
        content = await client.files.content(file.id)
        assert content.content == examples()
        (listed,) = [each async for each in client.files.list(purpose="fine-tune")]
        assert listed.id == file.id
        assert (await client.files.delete(file.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(file.id)


async def test_answers_are_of_openais_shape(front: Front) -> None:
    async with front.http() as http:
        assert conforms(await http.get(FILES), "ListFilesResponse")["data"] == []
        assert conforms(await http.get(JOBS), "ListPaginatedFineTuningJobsResponse")["data"] == []
        file = conforms(
            await http.post(
                FILES,
                data={
                    "purpose": "fine-tune",
                    "expires_after[anchor]": "created_at",
                    "expires_after[seconds]": "3600",
                },
                files={"file": ("voices.zip", examples())},
            ),
            "OpenAIFile",
        )
        assert file["expires_at"] == file["created_at"] + 3600
        asked = {"model": "whisper-tiny", "training_file": file["id"]}
        job = conforms(await http.post(JOBS, json=asked), "FineTuningJob")["id"]
        async with front.client() as client:
            await ended(client, job)
        done = conforms(await http.get(f"{JOBS}/{job}"), "FineTuningJob")
        assert done["status"] == "succeeded"
        page = conforms(await http.get(f"{JOBS}?limit=1"), "ListPaginatedFineTuningJobsResponse")
        assert page == {"object": "list", "data": [done], "has_more": False}
        conforms(await http.get(f"{JOBS}/{job}/events"), "ListFineTuningJobEventsResponse")
        conforms(
            await http.get(f"{JOBS}/{job}/checkpoints"), "ListFineTuningJobCheckpointsResponse"
        )
        conforms(await http.get(f"{FILES}/{file['id']}"), "OpenAIFile")
        conforms(await http.get(FILES), "ListFilesResponse")
        conforms(await http.delete(f"{FILES}/{file['id']}"), "DeleteFileResponse")


async def test_a_job_is_cancelled_paused_and_resumed(tmp_path: Path) -> None:
    async with fronted(tmp_path, "steps=8,hold=2") as front, front.client() as client:
        file = await uploaded(client)
        asked: Any = {"model": "whisper-tiny", "training_file": file}
        first, second = [await client.fine_tuning.jobs.create(**asked) for _ in range(2)]
        cancelled = await client.fine_tuning.jobs.cancel(second.id)
        assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)

        async def holds() -> bool:
            events = await client.fine_tuning.jobs.list_events(first.id)
            return "Step 2." in [event.message for event in events.data]

        await eventually(holds)
        with pytest.raises(openai.BadRequestError, match="needs this file"):
            await client.files.delete(file)
        paused: Any = await client.fine_tuning.jobs.pause(first.id)
        assert paused.status == "paused"
        resumed = await client.fine_tuning.jobs.resume(first.id)
        assert resumed.status in ("queued", "running", "succeeded")
        assert (await ended(client, first.id)).status == "succeeded"
        with pytest.raises(openai.BadRequestError, match="The job is succeeded already"):
            await client.fine_tuning.jobs.cancel(first.id)
        found = await client.fine_tuning.jobs.list(limit=1)
        assert (found.data[0].id, found.has_more) == (second.id, True)


async def test_a_running_job_says_when_it_will_end(tmp_path: Path) -> None:
    # Long enough that it still runs when it has been asked everything.
    async with fronted(tmp_path, "steps=1000,pause=0.1") as front, front.client() as client:
        file = await uploaded(client)
        job = await client.fine_tuning.jobs.create(model="whisper-tiny", training_file=file)

        async def says() -> bool:
            now = await client.fine_tuning.jobs.retrieve(job.id)
            return now.estimated_finish is not None

        await eventually(says)
        async with front.http() as http:
            (entry,) = (await http.get("/v1/queue")).json()["data"]
        assert (entry["model"], entry["state"]) == ("whisper-tiny", "running")
        now = await client.fine_tuning.jobs.retrieve(job.id)
        assert now.estimated_finish is not None
        # 100 s where nothing else runs; hours would be no estimate.
        assert 0 < now.estimated_finish - time.time() < 1200
        await client.fine_tuning.jobs.cancel(job.id)


async def test_keys_see_their_own_and_need_the_scope(front: Front) -> None:
    _, bobs = front.keys.create("bob")
    _, chats = front.keys.create("chats", scopes=("chat",))
    async with front.client() as alice, front.client(bobs) as bob, front.client(chats) as other:
        file = await uploaded(alice)
        job = await alice.fine_tuning.jobs.create(model="whisper-tiny", training_file=file)
        asked: tuple[Any, ...] = (
            bob.fine_tuning.jobs.retrieve(job.id),
            bob.fine_tuning.jobs.cancel(job.id),
            bob.fine_tuning.jobs.checkpoints.list(job.id),
            bob.files.retrieve(file),
            bob.files.content(file),
            bob.fine_tuning.jobs.create(model="whisper-tiny", training_file=file),
        )
        for ask in asked:
            with pytest.raises(openai.NotFoundError):
                await ask
        assert (await bob.fine_tuning.jobs.list()).data == []
        asked = (other.files.list(), other.fine_tuning.jobs.list())
        for ask in asked:
            with pytest.raises(openai.PermissionDeniedError, match="training"):
                await ask
        await ended(alice, job.id)


async def test_jobs_are_chosen_by_their_notes(front: Front) -> None:
    async with front.client() as client, front.http() as http:
        file = await uploaded(client)
        for team in "ab":
            await client.fine_tuning.jobs.create(
                model="whisper-tiny", training_file=file, metadata={"team": team}
            )
        found = (await http.get(JOBS, params={"metadata[team]": "b"})).json()["data"]
        assert [job["metadata"] for job in found] == [{"team": "b"}]
        assert (await http.get(JOBS, params={"metadata[team]": "c"})).json()["data"] == []
        (job,) = (await client.fine_tuning.jobs.list(metadata={"team": "a"})).data
        assert job.metadata == {"team": "a"}


async def test_the_same_request_named_twice_is_one_job(front: Front) -> None:
    async with front.client() as client, front.http() as http:
        asked = {"model": "whisper-tiny", "training_file": await uploaded(client)}
        named = {"idempotency-key": "one"}
        first = (await http.post(JOBS, json=asked, headers=named)).json()
        again = (await http.post(JOBS, json=asked, headers=named)).json()
        assert first["id"] == again["id"]
        assert len((await http.get(JOBS)).json()["data"]) == 1
        await ended(client, first["id"])


async def test_an_upload_passes_through_without_a_disk_or_much_memory(front: Front) -> None:
    # Twice what a gateway holds of all uploads together, in pieces without an end that is known.
    boundary = "xyz"
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    tail = (
        f'\r\n--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n'
        f"fine-tune\r\n--{boundary}--\r\n"
    )

    async def pieces() -> AsyncIterator[bytes]:
        yield head.encode()
        for _ in range(480):
            yield b"\0" * 2**20
        yield tail.encode()

    async with front.http() as http:
        answer = await http.post(
            FILES,
            content=pieces(),
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )
        assert conforms(answer, "OpenAIFile")["bytes"] == 480 * 2**20


async def test_what_is_larger_than_files_may_be_is_refused(tmp_path: Path) -> None:
    async with fronted(tmp_path, max_file_bytes=100_000) as front, front.http() as http:
        files = {"file": ("a.zip", b"x" * 200_000)}
        answer = await http.post(FILES, data={"purpose": "fine-tune"}, files=files)
        assert answer.status_code == 413
        assert error_of(answer)["code"] == "content_too_large"
        assert (await http.get(FILES)).json()["data"] == []


async def test_a_client_that_leaves_leaves_no_file(front: Front) -> None:
    folder = front.trainings.settings.folder / "files"

    async def has_one() -> bool:
        return len(list(folder.iterdir())) == 1

    async def has_none() -> bool:
        return not list(folder.iterdir())

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield b"\0" * 100_000
        await asyncio.sleep(60)

    async with front.http() as http:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        sending = asyncio.create_task(http.post(FILES, content=pieces(), headers=headers))
        await eventually(has_one)
        sending.cancel()
    await eventually(has_none)


async def test_a_service_that_restarts_while_a_job_is_watched(front: Front) -> None:
    async with front.client() as client:
        file = await uploaded(client)
        job = await client.fine_tuning.jobs.create(model="whisper-tiny", training_file=file)
        restarting = asyncio.create_task(front.trainings.restart())
        # As the client is by itself: a gateway that has waited long enough for a slow machine
        # answers 503, and means to be asked again.
        patient = client.with_options(max_retries=openai.DEFAULT_MAX_RETRIES)
        assert (await ended(patient, job.id)).status == "succeeded"
        await restarting


async def test_a_service_that_was_there_between_two_looks_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_LOOK_EVERY", 3600)
    async with fronted(tmp_path) as front, front.http() as client:
        assert (await client.get(JOBS)).status_code == 200
        await front.trainings.server.stop()
        asking = asyncio.create_task(client.get(JOBS))
        await asyncio.wait([asking], timeout=0.5)
        assert not asking.done()
        await front.trainings.restart()
        assert (await asking).status_code == 200


async def test_a_gateway_that_restarts_loses_nothing(tmp_path: Path) -> None:
    upstreams: Any = {"training": f"unix:{tmp_path}/training.sock"}
    settings = settings_for(tmp_path).model_copy(update={"upstreams": upstreams})
    async with trainings.staged(tmp_path, "steps=5,pause=0.1"):
        async with running(settings, None) as url, anybody(url) as client:
            file = await uploaded(client)
            job = await client.fine_tuning.jobs.create(model="whisper-tiny", training_file=file)
        async with running(settings, None) as url, anybody(url) as client:
            assert (await ended(client, job.id)).status == "succeeded"
