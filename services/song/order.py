"""What a job is told: the wish, whose it is, the seeds, and what is taken over from another job."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest
from services.song.steps import STEPS
from services.song.steps.making import Output
from services.song.wish import Wish


@dataclass(frozen=True, slots=True)
class Order:
    """One job. All of it is kept with the job, and nothing of it changes.

    `created` is in Unix seconds.
    `voice` is the SHA-256 of a recording, empty without one. `seed` is the one that was asked for,
    None where it was drawn; `seeds` has one for each step. `kept` is what the steps gave that are
    not made again, in the job `repeated_from`.
    """

    wish: Wish
    owner: str
    level: int
    request_id: str
    created: float
    seeds: Mapping[str, int]
    voice: str = ""
    seed: int | None = None
    kept: Mapping[str, Output] = field(default_factory=dict)
    repeated_from: str = ""

    @property
    def steps(self) -> list[str]:
        """The steps that this song has, in order."""
        left_out = {"emotion"} if not self.voice else set[str]()
        if self.wish.instrumental:
            left_out.add("vocals")
        return [step for step in STEPS if step not in left_out]

    @property
    def made(self) -> list[str]:
        """The steps that this job makes, in order."""
        return [step for step in self.steps if step not in self.kept]

    @property
    def fingerprint(self) -> str:
        """What two requests share that ask for the same: not their names, and no drawn seed."""
        asked = {
            "wish": self.wish.to_json(),
            "voice": self.voice,
            "seed": self.seed,
            "repeated": [self.repeated_from, self.made],
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def asked_by(self, call: RequestContext, now: float) -> "Order":
        """The same, asked for by another call at `now`, in Unix seconds."""
        return replace(
            self, owner=call.key_id, level=call.priority, request_id=call.request_id, created=now
        )

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {**asdict(replace(self, wish=Wish())), "wish": self.wish.to_json()}

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Order":
        """As it was."""
        return Order(**{**kept, "wish": Wish.from_json(kept["wish"])})


def drawn(seed: int | None) -> int:
    """The seed that was asked for, or else any."""
    return secrets.randbits(53) if seed is None else seed


def again(
    order: Order, job: str, outputs: Mapping[str, Output], step: str, seed: int | None
) -> Order:
    """The order that makes `step` of a finished job again, and what follows from it.

    Who asks for it, and when, is still to be said: see `Order.asked_by`.

    Raises `InvalidRequest` for a step that the song does not have, or that cannot be made again.
    """
    if step == "emotion" and order.voice:
        raise InvalidRequest(
            "The recording is not kept once its mood has been heard; send it with a new song.",
            param="step",
        )
    if step not in order.steps:
        raise InvalidRequest(
            f"step must be one of this song's: {', '.join(order.steps)}.", param="step"
        )
    if step == "lyrics" and order.wish.lyrics:
        raise InvalidRequest("These lyrics were given; send others with a new song.", param="step")
    before = order.steps[: order.steps.index(step)]
    return replace(
        order,
        seed=seed,
        seeds={**order.seeds, step: drawn(seed)},
        kept={name: outputs[name] for name in before},
        repeated_from=job,
    )


def job_id(owner: str, idempotency_key: str) -> str:
    """The id of the job that a key of its owner names; no other owner's leads there."""
    digest = hashlib.sha256(f"{len(owner)}:{owner}{idempotency_key}".encode()).hexdigest()
    return f"song_{digest[:32]}"
