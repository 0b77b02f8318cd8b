"""`/v1/fine_tuning/jobs`: models trained from files, in the background."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request

from gateway.calls import named
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.routes.songs import IdempotencyKey, background
from gateway.schemas.fields import Text
from gateway.schemas.fine_tuning import (
    FineTuningJob,
    FineTuningRequest,
    Hyper,
    JobPage,
)
from gateway.streaming import while_connected
from gateway.trainingcalls import TrainingCalls
from gateway.trainings import config_of, job_of
from orfeon.api.training.v1 import training_pb2
from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest

JOBS = "/v1/fine_tuning/jobs"

_HYPER: Hyper = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
EXAMPLE: FineTuningJob = {
    "object": "fine_tuning.job",
    "id": "ftjob-5f0c9a41d2c84e6b9d5a3f6e",
    "model": "whisper-tiny",
    "created_at": 1_790_000_000,
    "finished_at": None,
    "estimated_finish": 1_790_000_240,
    "fine_tuned_model": None,
    "organization_id": "",
    "result_files": [],
    "status": "running",
    "training_file": "file-5f0c9a41d2c84e6b9d5a3f6e",
    "validation_file": None,
    "hyperparameters": _HYPER,
    "method": {"type": "supervised", "supervised": {"hyperparameters": _HYPER}},
    "trained_tokens": None,
    "error": None,
    "seed": 7,
    "integrations": [],
    "metadata": None,
    "classifier": {
        "method": "head",
        "classifies": None,
        "labels": [],
        "drop": ["calm"],
        "merge": {},
        "split": None,
        "augment": None,
        "speech": None,
    },
}


def shown(example: Any) -> dict[str, Any]:
    """How OpenAPI shows an answer."""
    return {"content": {"application/json": {"example": example}}}


def listed(example: Any, **more: Any) -> dict[str, Any]:
    """How OpenAPI shows a list."""
    return shown({"object": "list", "data": [example], "has_more": False, **more})


_EXAMPLES = {
    "head": {
        "summary": "A head on the embedded encoder, in minutes",
        "value": {
            "model": "whisper-tiny",
            "training_file": "file-5f0c9a41d2c84e6b9d5a3f6e",
            "suffix": "call-centre",
            "classifier": {"drop": ["calm"], "classifies": "emotion"},
        },
    },
    "full": {
        "summary": "All weights of a checkpoint that is allowed here",
        "value": {
            "model": "wav2vec2-base",
            "training_file": "file-5f0c9a41d2c84e6b9d5a3f6e",
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 5}}},
        },
    },
}
FAILURES = failures(400, 401, 403, 404, 500, 503, 504)

JobId = Annotated[
    Text, Path(alias="fine_tuning_job_id", max_length=100, description="The job's id.")
]
After = Annotated[Text, Query(max_length=100, description="Those after this one in the list.")]


def fine_tuning_router(gatekeeper: Gatekeeper, trainings: TrainingCalls) -> APIRouter:
    """The routes of fine-tuning jobs."""
    router = APIRouter()
    asking = APIRouter(
        tags=["fine-tuning"], route_class=Guard(gatekeeper, "training", "json").route_class()
    )
    looking = APIRouter(
        tags=["fine-tuning"], route_class=Guard(gatekeeper, "training").route_class()
    )

    def context_of(request: Request) -> RequestContext:
        return gatekeeper.context(exchange_of(request.scope))

    @asking.post(
        JOBS,
        summary="Fine-tune a model",
        response_model=FineTuningJob,
        responses={
            200: shown(EXAMPLE),
            **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504, 507),
        },
    )
    async def create_job(
        request: Request,
        body: Annotated[FineTuningRequest, Body(openapi_examples=_EXAMPLES)],
        idempotency_key: IdempotencyKey = None,
    ) -> FineTuningJob:
        """A model trained from an uploaded file, made in the background: a job. Priority 2 unless
        another is asked for.
        """
        context = background(gatekeeper, exchange_of(request.scope), body)
        config = config_of(body, named(idempotency_key))
        async with while_connected(request.receive):
            return job_of(await trainings.create(config, context))

    @looking.get(
        JOBS,
        summary="List fine-tuning jobs",
        response_model=JobPage,
        responses={200: listed(EXAMPLE), **FAILURES},
    )
    async def list_jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: After = "",
    ) -> JobPage:
        """The jobs of the key that asks, the newest first; `metadata[name]=value` chooses by
        notes.
        """
        asked = training_pb2.ListJobsRequest(limit=limit, after=after, metadata=_wanted(request))
        page = await trainings.jobs(asked, context_of(request))
        return {
            "object": "list",
            "data": [job_of(job) for job in page.jobs],
            "has_more": page.has_more,
        }

    @looking.get(
        JOBS + "/{fine_tuning_job_id}",
        summary="Show a fine-tuning job",
        response_model=FineTuningJob,
        responses={200: shown(EXAMPLE), **FAILURES},
    )
    async def show_job(request: Request, job: JobId) -> FineTuningJob:
        """How it is."""
        return job_of(await trainings.get(job, context_of(request)))

    @looking.post(
        JOBS + "/{fine_tuning_job_id}/cancel",
        summary="Cancel a fine-tuning job",
        response_model=FineTuningJob,
        responses={200: shown({**EXAMPLE, "status": "cancelled"}), **FAILURES},
    )
    async def cancel_job(request: Request, job: JobId) -> FineTuningJob:
        """Ends it; answers when nothing works on it any more."""
        return job_of(await trainings.cancel(job, context_of(request)))

    @looking.post(
        JOBS + "/{fine_tuning_job_id}/pause",
        summary="Pause a fine-tuning job",
        response_model=FineTuningJob,
        responses={200: shown({**EXAMPLE, "status": "paused"}), **FAILURES},
    )
    async def pause_job(request: Request, job: JobId) -> FineTuningJob:
        """Stops it at a checkpoint; answers when nothing works on it any more."""
        return job_of(await trainings.pause(job, context_of(request)))

    @looking.post(
        JOBS + "/{fine_tuning_job_id}/resume",
        summary="Resume a fine-tuning job",
        response_model=FineTuningJob,
        responses={200: shown({**EXAMPLE, "status": "queued"}), **FAILURES},
    )
    async def resume_job(request: Request, job: JobId) -> FineTuningJob:
        """Queues it again; it goes on from its checkpoint."""
        return job_of(await trainings.resume(job, context_of(request)))

    for part in (asking, looking):
        router.routes.extend(part.routes)
    return router


def _wanted(request: Request) -> dict[str, str]:
    """The notes that jobs are chosen by: `metadata[name]=value`."""
    wanted = {}
    for name, value in request.query_params.multi_items():
        if name.startswith("metadata[") and name.endswith("]"):
            wanted[name.removeprefix("metadata[").removesuffix("]")] = value
    if len(wanted) > 16:
        raise InvalidRequest("Choose by up to 16 notes.", param="metadata")
    return wanted
