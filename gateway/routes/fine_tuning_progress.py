"""How fine-tuning jobs go: their events and their checkpoints."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.routes.fine_tuning import FAILURES, JOBS, After, JobId, listed
from gateway.schemas.fine_tuning import CheckpointPage, EventPage
from gateway.trainingcalls import TrainingCalls
from gateway.trainings import checkpoint_of, event_of
from orfeon.api.training.v1 import training_pb2
from services.runtime.context import RequestContext

_EVENT = {
    "object": "fine_tuning.job.event",
    "id": "ftevent-5f0c9a41d2c84e6b9d5a3f6e",
    "created_at": 1_790_000_060,
    "level": "info",
    "message": "Step 20 of 100.",
    "type": "metrics",
    "data": {"step": 20, "total_steps": 100, "train_loss": 1.204},
}
_CHECKPOINT = {
    "object": "fine_tuning.job.checkpoint",
    "id": "ftckpt-5f0c9a41d2c84e6b9d5a3f6e",
    "created_at": 1_790_000_060,
    "fine_tuned_model_checkpoint": "ftjob-5f0c9a41d2c84e6b9d5a3f6e:ckpt-step-20",
    "fine_tuning_job_id": "ftjob-5f0c9a41d2c84e6b9d5a3f6e",
    "step_number": 20,
    "metrics": {"step": 20, "valid_loss": 1.31},
}


def fine_tuning_progress_router(gatekeeper: Gatekeeper, trainings: TrainingCalls) -> APIRouter:
    """The routes of what happens in jobs."""
    guard = Guard(gatekeeper, "training")
    router = APIRouter(route_class=guard.route_class(), tags=["fine-tuning"])

    def context_of(request: Request) -> RequestContext:
        return gatekeeper.context(exchange_of(request.scope))

    @router.get(
        JOBS + "/{fine_tuning_job_id}/events",
        summary="List what happened in a fine-tuning job",
        response_model=EventPage,
        responses={200: listed(_EVENT), **FAILURES},
    )
    async def list_events(
        request: Request,
        job: JobId,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
        after: After = "",
    ) -> EventPage:
        """Messages and figures, the newest first."""
        asked = training_pb2.ListEventsRequest(job_id=job, limit=limit, after=after)
        page = await trainings.events(asked, context_of(request))
        return {
            "object": "list",
            "data": [event_of(event) for event in page.events],
            "has_more": page.has_more,
        }

    @router.get(
        JOBS + "/{fine_tuning_job_id}/checkpoints",
        summary="List the checkpoints of a fine-tuning job",
        response_model=CheckpointPage,
        responses={
            200: listed(_CHECKPOINT, first_id=_CHECKPOINT["id"], last_id=_CHECKPOINT["id"]),
            **FAILURES,
        },
    )
    async def list_checkpoints(
        request: Request,
        job: JobId,
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
        after: After = "",
    ) -> CheckpointPage:
        """States that it can go on from, the newest first. They are no models that can be asked."""
        asked = training_pb2.ListCheckpointsRequest(job_id=job, limit=limit, after=after)
        page = await trainings.checkpoints(asked, context_of(request))
        data = [checkpoint_of(checkpoint, job) for checkpoint in page.checkpoints]
        return {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": page.has_more,
        }

    return router
