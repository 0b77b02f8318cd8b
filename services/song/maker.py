"""Makes songs: one step after the other, each recorded once it is done."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from services.runtime.context import RequestContext, current_request_id
from services.runtime.errors import Internal, OrfeonError
from services.song.folder import JobFolder
from services.song.order import Order
from services.song.progress import Board, Pace
from services.song.settings import SongSettings
from services.song.steps import STEPS
from services.song.steps.making import Making, Output
from services.song.upstreams import Patience, Upstreams

log = logging.getLogger(__name__)

#: What a job or a step ends with instead of its output: the error's wire name and its sentence.
Failure = dict[str, str]


class Recorder(Protocol):
    """Keeps what a step gives; of one that has been made before, gives what is kept."""

    async def __call__(self, step: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """What the step gives."""


class Maker:
    """Makes songs with the services. Steps may be broken off anywhere, and begun again."""

    def __init__(
        self, settings: SongSettings, upstreams: Upstreams, board: Board, pace: Pace
    ) -> None:
        self._settings = settings
        self._upstreams = upstreams
        self._board = board
        self._pace = pace

    def folder(self, job: str) -> JobFolder:
        """Where the job's files are."""
        return JobFolder(self._settings.songs, job)

    async def make(self, job: str, order: Order, record: Recorder) -> Failure | None:
        """Makes a song. What it fails with is given back, since it is the job's end."""
        token = current_request_id.set(order.request_id)
        outputs: dict[str, Output] = dict(order.kept)
        self._board.begin(job, order.made[0], self._pace.now())
        try:
            for step in order.made:
                self._board.reached(job, step)
                output = await record(step, self._step(job, order, step, outputs))
                if step == "emotion":
                    await asyncio.to_thread(self.folder(job).forget_voice)
                if error := output.get("error"):
                    await asyncio.to_thread(self.folder(job).remove)
                    return Failure(error)
                outputs[step] = output
            return None
        finally:
            self._board.left(job)
            current_request_id.reset(token)

    def _step(
        self, job: str, order: Order, step: str, outputs: Mapping[str, Output]
    ) -> Callable[[], Awaitable[dict[str, Any]]]:
        facts: dict[str, Any] = {}
        for output in outputs.values():
            facts |= output["facts"]
        making = Making(
            wish=order.wish,
            facts=facts,
            seed=order.seeds[step],
            context=RequestContext(order.request_id, order.owner, order.level),
            folder=self.folder(job),
            upstreams=self._upstreams,
            patience=Patience(self._settings.patience_seconds),
            melody_model=self._settings.melody_model,
            reached=lambda share: self._board.reached(job, step, share),
        )

        async def make() -> dict[str, Any]:
            began = time.monotonic()
            try:
                output = await STEPS[step](making)
            except OrfeonError as error:
                log.warning("step failed", extra={"step": step, "why": error.reason})
                return _failed(error)
            except Exception:
                log.exception("step failed", extra={"step": step})
                return _failed(Internal("Something went wrong here. It has been logged."))
            self._pace.took(step, time.monotonic() - began)
            return {**output}

        return make


def _failed(error: OrfeonError) -> dict[str, Any]:
    return {"error": {"code": error.code or error.type, "message": error.message}}
