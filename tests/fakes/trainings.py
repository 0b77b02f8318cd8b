"""Runs the training service in this process, with a trainer that learns nothing."""

import asyncio
import io
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from orfeon.api.training.v1 import training_pb2, training_pb2_grpc
from services.runtime.connection import answer, answers
from services.runtime.context import RequestContext
from services.training.__main__ import runner_of
from services.training.runner import Runner
from services.training.server import TrainingServer
from services.training.settings import TrainingSettings
from tests.fakes.gateway import eventually
from tests.fakes.songs import wav

TRAINER = Path(__file__).with_name("trainer.py")
SUCCEEDED = training_pb2.JOB_STATUS_SUCCEEDED
FAILED = training_pb2.JOB_STATUS_FAILED
CANCELLED = training_pb2.JOB_STATUS_CANCELLED
RUNNING = training_pb2.JOB_STATUS_RUNNING
ENDED = (SUCCEEDED, FAILED, CANCELLED)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            # The same each time, whatever time it is.
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def examples() -> bytes:
    """A training file: two labels, two recordings each."""
    return zipped({f"{label}/{n}.wav": wav(0.1) for label in ("happy", "sad") for n in (1, 2)})


def settings_for(home: Path, way: str = "steps=4", **more: Any) -> TrainingSettings:
    """Settings with a trainer that behaves in some way."""
    chosen: dict[str, Any] = {
        "trainer": [sys.executable, str(TRAINER), way],
        "drain_seconds": 0,
        "look_seconds": 0.02,
        "grace_seconds": 5,
        **more,
    }
    return TrainingSettings(home=home, address=f"unix:{home}/training.sock", **chosen)


@dataclass
class Caller:
    """Calls the training service as one key. Raises `OrfeonError`."""

    channel: grpc.aio.Channel
    key: str = "alice"
    priority: int = 2

    def __getattr__(self, name: str) -> Any:
        """An RPC: `await caller.GetJob(job_id=...)`."""
        method = training_pb2.DESCRIPTOR.services_by_name["TrainingService"].methods_by_name[name]
        request_type = getattr(training_pb2, method.input_type.name)
        call = getattr(self.stub, name)

        async def ask(**fields: Any) -> Any:
            return await answer(call(request_type(**fields), metadata=self.metadata))

        return ask

    @property
    def stub(self) -> Any:
        return training_pb2_grpc.TrainingServiceStub(self.channel)

    @property
    def metadata(self) -> Any:
        return RequestContext("req_test", self.key, self.priority).metadata()

    async def upload(
        self, data: bytes = b"", name: str = "examples.zip", purpose: str = "fine-tune", **more: Any
    ) -> training_pb2.File:
        """Uploads a file, what is said of it last."""

        async def parts() -> AsyncIterator[training_pb2.UploadFileRequest]:
            for start in range(0, len(data), 65536):
                yield training_pb2.UploadFileRequest(data=data[start : start + 65536])
            config = training_pb2.FileConfig(filename=name, purpose=purpose, **more)
            yield training_pb2.UploadFileRequest(config=config)

        response = await answer(self.stub.UploadFile(parts(), metadata=self.metadata))
        file: training_pb2.File = response.file
        return file

    async def read(self, file: str) -> bytes:
        """A file's bytes."""
        call = self.stub.ReadFile(
            training_pb2.ReadFileRequest(file_id=file), metadata=self.metadata
        )
        return b"".join([part.data async for part in answers(call)])

    async def create(self, **config: Any) -> training_pb2.Job:
        """Uploads examples, and begins a job with them."""
        if "training_file" not in config:
            config["training_file"] = (await self.upload(examples())).id
        made = await self.CreateJob(
            config=training_pb2.JobConfig(**{"model": "whisper-tiny", **config})
        )
        job: training_pb2.Job = made.job
        return job

    async def job(self, job: str) -> training_pb2.Job:
        """A job."""
        found: training_pb2.Job = (await self.GetJob(job_id=job)).job
        return found

    async def until(self, job: str, *states: int, seconds: float = 60) -> training_pb2.Job:
        """Waits for a job to be in one of these states."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.job(job)
                if found.status in states:
                    return found
                await asyncio.sleep(0.02)

    async def told(self, job: str, message: str) -> None:
        """Waits until something has happened in a job."""

        async def happened() -> bool:
            return message in await self.messages(job)

        await eventually(happened)

    async def messages(self, job: str) -> list[str]:
        """What happened in a job, the oldest first."""
        events = (await self.ListEvents(job_id=job, limit=1000)).events
        return [event.message for event in reversed(events)]


@dataclass
class Stage:
    """A training service."""

    settings: TrainingSettings
    caller: Caller
    server: TrainingServer
    runner: Callable[[TrainingSettings], Runner]

    def other(self, key: str) -> Caller:
        """Somebody else."""
        return Caller(self.caller.channel, key)

    async def restart(self, **settings: Any) -> None:
        """Stops the service, and starts another where it was."""
        await self.server.stop()
        self.settings = self.settings.model_copy(update=settings)
        self.server = TrainingServer(self.settings, self.runner(self.settings))
        await self.server.start()


@asynccontextmanager
async def staged(
    home: Path,
    way: str = "steps=4",
    runner: Callable[[TrainingSettings], Runner] = runner_of,
    **more: Any,
) -> AsyncIterator[Stage]:
    """A service whose trainer behaves in some way."""
    settings = settings_for(home, way, **more)
    server = TrainingServer(settings, runner(settings))
    await server.start()
    async with grpc.aio.insecure_channel(settings.address) as channel:
        stage = Stage(settings, Caller(channel), server, runner)
        try:
            yield stage
        finally:
            await stage.server.stop()
