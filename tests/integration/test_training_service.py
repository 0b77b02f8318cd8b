"""The training service over real gRPC, with a trainer that learns nothing."""

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from orfeon.api.training.v1 import training_pb2
from services.runtime.errors import (
    ContentTooLarge,
    InsufficientStorage,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    OrfeonError,
    Overloaded,
)
from tests.fakes.gateway import eventually
from tests.fakes.trainings import (
    CANCELLED,
    ENDED,
    FAILED,
    RUNNING,
    SUCCEEDED,
    TRAINER,
    Stage,
    examples,
    staged,
    zipped,
)

PAUSED, QUEUED = training_pb2.JOB_STATUS_PAUSED, training_pb2.JOB_STATUS_QUEUED


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


def trainers() -> list[psutil.Process]:
    """The trainers that this process has started, or what they have."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # It has just ended.
            if child.status() != psutil.STATUS_ZOMBIE and "trainer.py" in " ".join(child.cmdline()):
                found.append(child)
    return found


async def there_are_trainers() -> bool:
    return bool(trainers())


async def test_a_job_from_its_file_to_its_model(stage: Stage, tmp_path: Path) -> None:
    file = await stage.caller.upload(examples())
    job = await stage.caller.create(training_file=file.id, suffix="my voices", seed=7)
    assert job.id.startswith("ftjob-")
    assert job.status in (training_pb2.JOB_STATUS_VALIDATING_FILES, QUEUED, RUNNING)
    done = await stage.caller.until(job.id, *ENDED)
    assert done.status == SUCCEEDED
    assert done.fine_tuned_model == f"ft-whisper-tiny-my-voices-{job.id[-8:]}"
    assert (tmp_path / "models" / done.fine_tuned_model / "model.yaml").is_file()
    assert done.HasField("finished")
    assert not done.HasField("error")
    messages = await stage.caller.messages(job.id)
    assert messages[:4] == [
        "Accepted; the files are looked through.",
        "The files hold 4 recordings. The job waits for its turn.",
        "The training begins.",
        "2 labels; 4 steps, from 0.",
    ]
    assert messages[4:8] == [f"Step {step}." for step in (1, 2, 3, 4)]
    assert messages[8:] == ["The model is trained.", f"The model {done.fine_tuned_model} is there."]
    checkpoints = (await stage.caller.ListCheckpoints(job_id=job.id)).checkpoints
    assert [each.step for each in checkpoints] == [4, 3, 2, 1]
    assert checkpoints[0].metrics == {"valid_loss": 0.25}
    csv, json = sorted(
        [(await stage.caller.GetFile(file_id=each)).file for each in done.result_files],
        key=lambda each: each.filename,
    )
    assert (csv.purpose, json.purpose) == ("fine-tune-results", "fine-tune-results")
    assert await stage.caller.read(csv.id) == b"metric,value\r\naccuracy,0.5\r\n"
    assert b'"accuracy": 0.5' in await stage.caller.read(json.id)
    # Nothing of the examples stays but the file itself.
    left = {path.name for path in (tmp_path / "training" / "jobs" / job.id).iterdir()}
    assert left == {"events.jsonl", "trainer.log"}


async def test_what_a_sudden_end_left_is_removed_at_the_next_start(stage: Stage) -> None:
    job = await stage.caller.create()
    await stage.caller.until(job.id, SUCCEEDED)
    folder = stage.settings.folder / "jobs" / job.id
    (folder / "data" / "training").mkdir(parents=True)
    (folder / "work").mkdir()
    await stage.restart()
    assert {path.name for path in folder.iterdir()} == {"events.jsonl", "trainer.log"}


async def test_what_a_file_is_told_comes_back(stage: Stage) -> None:
    kept = await stage.caller.upload(b"abc" * 100_000, "a.tar.gz", expires_after_seconds=3600)
    assert (kept.bytes, kept.filename, kept.purpose) == (300_000, "a.tar.gz", "fine-tune")
    assert kept.expires.seconds == kept.created.seconds + 3600
    assert await stage.caller.read(kept.id) == b"abc" * 100_000
    assert (await stage.caller.GetFile(file_id=kept.id)).file == kept
    await stage.caller.DeleteFile(file_id=kept.id)
    with pytest.raises(NotFound):
        await stage.caller.GetFile(file_id=kept.id)


@pytest.mark.parametrize(
    ("data", "more", "error"),
    [
        (b"", {}, "The file is empty."),
        (b"x", {"purpose": "batch"}, "purpose must be 'fine-tune'."),
        (b"x", {"purpose": ""}, "purpose must be 'fine-tune'."),
        (b"x", {"name": ""}, "The file needs a name of up to 255 characters."),
        (b"x", {"name": "a\nb"}, "The file needs a name of up to 255 characters."),
        (b"x", {"expires_after_seconds": 5}, "expires_after.seconds must be between"),
    ],
)
async def test_a_file_that_is_refused_leaves_nothing(
    stage: Stage, data: bytes, more: dict[str, Any], error: str
) -> None:
    with pytest.raises(InvalidRequest, match=error):
        await stage.caller.upload(data, **more)
    assert list((stage.settings.folder / "files").iterdir()) == []


async def test_files_have_bounds(tmp_path: Path) -> None:
    async with staged(tmp_path, max_file_bytes=100_000, max_stored_bytes=150_000) as stage:
        with pytest.raises(ContentTooLarge, match="100,000 bytes"):
            await stage.caller.upload(b"x" * 1_000_000)
        await stage.caller.upload(b"x" * 100_000)
        with pytest.raises(InsufficientStorage, match="delete some"):
            await stage.caller.upload(b"x" * 100_000)
        # Others have room of their own.
        await stage.other("bob").upload(b"x" * 100_000)
        assert len(list((tmp_path / "training" / "files").iterdir())) == 2


async def test_an_upload_that_is_broken_off_leaves_nothing(stage: Stage) -> None:
    async def parts() -> AsyncIterator[training_pb2.UploadFileRequest]:
        yield training_pb2.UploadFileRequest(data=b"x" * 1000)
        await asyncio.sleep(60)

    call = stage.caller.stub.UploadFile(parts(), metadata=stage.caller.metadata)
    folder = stage.settings.folder / "files"

    async def has_one() -> bool:
        return len(list(folder.iterdir())) == 1

    await eventually(has_one)
    call.cancel()

    async def is_empty() -> bool:
        return not list(folder.iterdir())

    await eventually(is_empty)
    assert len((await stage.caller.ListFiles()).files) == 0


async def test_nobody_sees_what_is_anothers(stage: Stage) -> None:
    file = await stage.caller.upload(examples())
    job = await stage.caller.create(training_file=file.id)
    bob = stage.other("bob")
    for ask in (
        lambda: bob.GetFile(file_id=file.id),
        lambda: bob.DeleteFile(file_id=file.id),
        lambda: bob.read(file.id),
        lambda: bob.create(training_file=file.id),
        lambda: bob.job(job.id),
        lambda: bob.CancelJob(job_id=job.id),
        lambda: bob.PauseJob(job_id=job.id),
        lambda: bob.ResumeJob(job_id=job.id),
        lambda: bob.ListEvents(job_id=job.id),
        lambda: bob.ListCheckpoints(job_id=job.id),
        lambda: bob.ListJobs(after=job.id),
        lambda: bob.ListFiles(after=file.id),
    ):
        with pytest.raises(NotFound):
            await ask()
    assert len((await bob.ListFiles()).files) == 0
    assert len((await bob.ListJobs()).jobs) == 0
    await stage.caller.until(job.id, *ENDED)


async def test_a_file_that_a_job_needs_is_not_deleted(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang") as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        with pytest.raises(InvalidRequest, match=job.id):
            await stage.caller.DeleteFile(file_id=job.config.training_file)
        await stage.caller.CancelJob(job_id=job.id)
        await stage.caller.DeleteFile(file_id=job.config.training_file)


async def test_whoever_cancels_waits_until_nothing_works_on_the_job(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang") as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        await eventually(there_are_trainers)
        cancelled = (await stage.caller.CancelJob(job_id=job.id)).job
        assert cancelled.status == CANCELLED
        assert not trainers()
        assert cancelled.fine_tuned_model == ""
        assert "The job was cancelled." in await stage.caller.messages(job.id)
        # Once more changes nothing.
        assert (await stage.caller.CancelJob(job_id=job.id)).job == cancelled
        assert not (tmp_path / "training" / "jobs" / job.id / "data").exists()


async def test_a_trainer_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    async with staged(tmp_path, "deaf,hang", grace_seconds=0.3) as stage:
        job = await stage.caller.create()
        await stage.caller.until(job.id, RUNNING)
        await stage.caller.told(job.id, "2 labels; 4 steps, from 0.")
        await stage.caller.CancelJob(job_id=job.id)
        assert not trainers()


async def test_what_has_ended_cannot_be_cancelled_paused_or_resumed(stage: Stage) -> None:
    job = await stage.caller.create()
    await stage.caller.until(job.id, SUCCEEDED)
    for ask in (stage.caller.CancelJob, stage.caller.PauseJob, stage.caller.ResumeJob):
        with pytest.raises(InvalidRequest, match="The job is succeeded already"):
            await ask(job_id=job.id)


async def test_a_job_is_paused_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    async with staged(tmp_path, "steps=12,pause=0.1,hold=3") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 3.")
        paused = (await stage.caller.PauseJob(job_id=job.id)).job
        assert paused.status == PAUSED
        assert not trainers()
        assert (await stage.caller.ResumeJob(job_id=job.id)).job.status in (QUEUED, RUNNING)
        done = await stage.caller.until(job.id, *ENDED)
        assert done.status == SUCCEEDED
        steps = [m for m in await stage.caller.messages(job.id) if m.startswith("Step")]
        assert steps == [f"Step {number}." for number in range(1, 13)]


async def test_one_job_at_a_time_and_the_most_urgent_first(tmp_path: Path) -> None:
    async with staged(tmp_path, "steps=3,pause=0.1") as stage:
        jobs = [await stage.caller.create() for _ in range(3)]
        await stage.caller.until(jobs[0].id, RUNNING, SUCCEEDED)
        states = [(await stage.caller.job(job.id)).status for job in jobs]
        assert states.count(RUNNING) <= 1
        ended = [await stage.caller.until(job.id, SUCCEEDED) for job in jobs]
        finished = [job.finished.ToNanoseconds() for job in ended]
        assert finished == sorted(finished)


async def test_as_many_are_trained_at_once_as_there_are_slots(tmp_path: Path) -> None:
    async with staged(tmp_path, "steps=100,pause=0.1", slots=2) as stage:
        jobs = [await stage.caller.create() for _ in range(3)]
        for job in jobs[:2]:
            await stage.caller.told(job.id, "Step 2.")
        await stage.caller.until(jobs[2].id, QUEUED, seconds=5)
        await stage.caller.CancelJob(job_id=jobs[0].id)
        await stage.caller.told(jobs[2].id, "Step 1.")


async def test_what_is_urgent_goes_first(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang") as stage:
        first = await stage.caller.create()
        await stage.caller.until(first.id, RUNNING)
        slow = await stage.caller.create()
        urgent = await replace(stage.caller, priority=0).create()
        for job in (slow, urgent):
            await stage.caller.until(job.id, QUEUED)
        await stage.caller.CancelJob(job_id=first.id)
        await stage.caller.until(urgent.id, RUNNING)
        assert (await stage.caller.job(slow.id)).status == QUEUED


async def test_a_restart_goes_on_where_the_job_was(tmp_path: Path) -> None:
    async with staged(tmp_path, "steps=12,pause=0.1,hold=3") as stage:
        running, waiting = await stage.caller.create(), await stage.caller.create()
        await stage.caller.told(running.id, "Step 3.")
        await stage.restart(trainer=[sys.executable, str(TRAINER), "steps=12"])
        for job in (running, waiting):
            assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED
            steps = [m for m in await stage.caller.messages(job.id) if m.startswith("Step")]
            assert steps == [f"Step {number}." for number in range(1, 13)]
        assert "The training goes on." in await stage.caller.messages(running.id)


async def test_an_idempotency_key_gives_the_same_job(stage: Stage) -> None:
    file = await stage.caller.upload(examples())
    first = await stage.caller.create(training_file=file.id, idempotency_key="one")
    again = await stage.caller.create(training_file=file.id, idempotency_key="one")
    assert again.id == first.id
    with pytest.raises(InvalidRequest, match="idempotency key has named another"):
        await stage.caller.create(training_file=file.id, suffix="x", idempotency_key="one")
    await stage.caller.until(first.id, *ENDED)


def tarred(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info, io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"not an archive at all", "is no archive"),
        (examples()[:200], "no archive|damaged"),
        (zipped({}), "no recordings"),
        (zipped({"../../evil.wav": b"x"}), "leads out of it"),
        (zipped({"/etc/passwd": b"x"}), "leads out of it"),
        (zipped({"C:\\evil.wav": b"x"}), "leads out of it"),
        (tarred("happy/a.wav", tarfile.SYMTYPE), "link"),
        (tarred("happy/a.wav", tarfile.LNKTYPE), "link"),
        (tarred("happy/a.wav", tarfile.FIFOTYPE), "link or a device"),
        (tarred("../a.wav"), "leads out of it"),
        (zipped({"metadata.csv": b"file,emotion\na.wav,happy\n", "a.wav": b"x"}), "no column path"),
        (zipped({"metadata.csv": b"path,label\n/etc/passwd,happy\n", "a.wav": b"x"}), "leads out"),
        (zipped({"metadata.csv": b"path,label\n../../a,happy\n", "a.wav": b"x"}), "leads out"),
        (zipped({"metadata.csv": b"path,label\nb.wav,happy\n", "a.wav": b"x"}), "No path of"),
        (zipped({"metadata.csv": b"path,label\n\xff\xfe,happy\n", "a.wav": b"x"}), "UTF-8"),
        (zipped({"happy/1.wav": b"\0" * 3_000_000}), "unpacks to more than"),
    ],
    ids=range(16),
)
async def test_a_training_file_that_will_not_do_fails_the_job(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    async with staged(tmp_path, max_unpacked_bytes=2_000_000) as stage:
        file = await stage.caller.upload(data)
        job = await stage.caller.create(training_file=file.id)
        failed = await stage.caller.until(job.id, *ENDED)
        assert failed.status == FAILED
        assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
        assert re.search(sentence, failed.error.message)
        assert (await stage.caller.messages(job.id))[-1] == failed.error.message


@pytest.mark.parametrize(
    ("way", "code", "sentence"),
    [
        ("die", "out_of_memory", "memory ran out"),
        ("fail", "training_failed", "The loss is no number any more."),
        ("fail,quiet", "training_failed", "status 1"),
        ("misuse", "invalid_training_file", "Every clip in the training file is labelled 'happy'."),
    ],
)
async def test_how_a_training_fails_is_said(
    tmp_path: Path, way: str, code: str, sentence: str
) -> None:
    async with staged(tmp_path, way) as stage:
        job = await stage.caller.create()
        failed = await stage.caller.until(job.id, *ENDED)
        assert failed.status == FAILED
        assert failed.error.code == code
        assert sentence in failed.error.message
        # The next one has its turn.
        assert (await stage.caller.until((await stage.caller.create()).id, *ENDED)).status == FAILED


async def test_a_trainer_that_hangs_is_stopped(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang", silent_seconds=1.0) as stage:
        job = await stage.caller.create()
        failed = await stage.caller.until(job.id, *ENDED)
        assert (failed.status, failed.error.code) == (FAILED, "training_timeout")
        assert not trainers()


async def test_a_trainer_that_somebody_interrupts_is_begun_again(tmp_path: Path) -> None:
    async with staged(tmp_path, "steps=6,pause=0.2,hold=2") as stage:
        job = await stage.caller.create()
        await stage.caller.told(job.id, "Step 2.")
        for process in trainers():
            os.kill(process.pid, signal.SIGTERM)
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED
        assert "Stopped." in await stage.caller.messages(job.id)


@pytest.mark.parametrize(
    ("config", "error", "param"),
    [
        ({"model": "gpt-4o"}, ModelNotFound, "model"),
        ({"model": "../../etc"}, ModelNotFound, "model"),
        ({"model": ""}, ModelNotFound, "model"),
        ({"training_file": "file-none"}, NotFound, "training_file"),
        ({"training_file": ""}, InvalidRequest, "training_file"),
        ({"validation_file": "file-none"}, NotFound, "validation_file"),
        ({"suffix": "x" * 65}, InvalidRequest, "suffix"),
        ({"seed": -1}, InvalidRequest, "seed"),
        ({"hyperparameters": {"epochs": 0}}, InvalidRequest, "n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, InvalidRequest, "batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, InvalidRequest,
         "learning_rate_multiplier"),
        ({"classifier": {"method": "magic"}}, InvalidRequest, "classifier.method"),
        ({"classifier": {"method": "full"}}, InvalidRequest, "classifier.method"),
        ({"classifier": {"labels": ["a,b"]}}, InvalidRequest, "classifier.labels"),
        ({"classifier": {"merge": {"a": "b=c"}}}, InvalidRequest, "classifier.merge"),
        ({"metadata": {"k": "v" * 513}}, InvalidRequest, "metadata"),
    ],
    ids=range(16),
)  # fmt: skip
async def test_what_cannot_be_trained_is_refused(
    stage: Stage, config: dict[str, Any], error: type[OrfeonError], param: str
) -> None:
    with pytest.raises(error) as raised:
        await stage.caller.create(**config)
    assert raised.value.param == param
    assert len((await stage.caller.ListJobs()).jobs) == 0


async def test_jobs_are_not_chosen_by_more_notes_than_a_job_may_have(stage: Stage) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await stage.caller.ListJobs(metadata={str(number): "" for number in range(2_000)})
    assert raised.value.param == "metadata"


async def test_a_result_file_is_no_training_file(stage: Stage) -> None:
    job = await stage.caller.create()
    done = await stage.caller.until(job.id, SUCCEEDED)
    with pytest.raises(InvalidRequest, match="uploaded for 'fine-tune'"):
        await stage.caller.create(training_file=done.result_files[0])


async def test_without_the_trainers_packages_jobs_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.training.__main__.PACKAGES", {"head": ("torch_of_nobody",)})
    async with staged(tmp_path, trainer=[]) as stage:
        with pytest.raises(InvalidRequest, match=r"lacks torch_of_nobody.*orfeon\[train\]"):
            await stage.caller.create()


async def test_a_thousand_jobs_are_listed_and_one_more_is_too_many(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang", max_queued=1000) as stage:
        file = await stage.caller.upload(examples())
        first = await stage.caller.create(training_file=file.id, metadata={"n": "0"},
                                          has_metadata=True)  # fmt: skip
        await stage.caller.until(first.id, RUNNING)
        ids = [first.id]
        for number in range(1, 1001):
            job = await stage.caller.create(
                training_file=file.id, metadata={"n": str(number)}, has_metadata=True
            )
            ids.append(job.id)
        with pytest.raises(Overloaded):
            await stage.caller.create(training_file=file.id)
        listed: list[str] = []
        while True:
            page = await stage.caller.ListJobs(limit=100, after=listed[-1] if listed else "")
            listed += [job.id for job in page.jobs]
            if not page.has_more:
                break
        assert listed == ids[::-1]
        (found,) = (await stage.caller.ListJobs(metadata={"n": "77"})).jobs
        assert found.id == ids[77]


async def test_a_table_and_a_validation_file(tmp_path: Path) -> None:
    async with staged(tmp_path, "hang") as stage:
        table = b"path,label,speaker\na.wav,happy,Ann\nb.wav,sad,Bob\n"
        training = await stage.caller.upload(
            zipped({"set/metadata.csv": table, "set/a.wav": b"x", "set/b.wav": b"x"})
        )
        held_out = await stage.caller.upload(zipped({"happy/Cy/1.wav": b"x", "sad/Di/1.wav": b"x"}))
        job = await stage.caller.create(
            training_file=training.id, validation_file=held_out.id, classifier={"drop": ["fear"]}
        )
        await stage.caller.until(job.id, RUNNING)
        await eventually(there_are_trainers)
        command = trainers()[0].cmdline()
        assert "--drop=fear" in command
        assert "--method=head" in command
        (data,) = (Path(each.partition("=")[2]) for each in command if each.startswith("--data="))
        assert data.read_text("utf-8").split() == [
            "path,label,speaker,split",
            "training/set/a.wav,happy,Ann,train",
            "training/set/b.wav,sad,Bob,train",
            "validation/happy/Cy/1.wav,happy,Cy,validation",
            "validation/sad/Di/1.wav,sad,Di,validation",
        ]
        assert (data.parent / "training/set/a.wav").is_file()
