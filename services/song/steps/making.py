"""What a step is given, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from services.runtime import worker
from services.runtime.context import RequestContext
from services.song.folder import JobFolder
from services.song.upstreams import Patience, Upstreams
from services.song.wish import Wish


class Output(TypedDict):
    """What a step gives: what is known of the song now, and the names of the files it left."""

    facts: dict[str, Any]
    files: list[str]


@dataclass(frozen=True, slots=True)
class Making:
    """One song at one step.

    `facts` are those of the steps before, `seed` is this step's. `reached` is told the share of the
    step that is done, 0 to 1.
    """

    wish: Wish
    facts: Mapping[str, Any]
    seed: int
    context: RequestContext
    folder: JobFolder
    upstreams: Upstreams
    patience: Patience
    melody_model: str
    reached: Callable[[float], None]

    @property
    def mood(self) -> str:
        """The mood asked for, or else the one that was heard."""
        return self.wish.mood or str(self.facts.get("mood", ""))

    async def publish(self, files: Mapping[str, bytes]) -> None:
        """Writes artifacts, all or none. Raises `InsufficientStorage`."""
        # A thread that wrote on would bring back the folder of a job that is cancelled meanwhile.
        await worker.run(lambda _: self.folder.publish(files))

    async def keep(self, files: Mapping[str, bytes]) -> None:
        """Writes what later steps need, all or none. Raises `InsufficientStorage`."""
        await worker.run(lambda _: self.folder.keep(files))
