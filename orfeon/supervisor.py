"""Keeps a set of child processes running until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from orfeon.serve.child import Child, ChildPlan
from orfeon.serve.logs import LogFile
from orfeon.serve.probes import Phase

#: Told of every change of a child.
Report = Callable[[Child], None]


class Supervisor:
    """The children of one `orfeon serve`.

    `logs` is the folder of their logs; `echo`, if given, is told every line with the child's name.
    `grace` is how many seconds a child may take to end by itself.
    """

    def __init__(
        self,
        plans: Sequence[ChildPlan],
        logs: Path,
        *,
        report: Report = lambda child: None,
        echo: Callable[[str, str], None] | None = None,
        grace: float = 8.0,
    ) -> None:
        self._report = report
        self._grace = grace
        self._ready = asyncio.Event()
        self.children = [
            Child(plan, LogFile(logs / f"{plan.name}.log", echo=_named(plan.name, echo)), self._on)
            for plan in plans
        ]

    async def run(self, stopping: asyncio.Event) -> None:
        """Starts the children, restarts those that die, and stops all once `stopping` is set."""
        lives = [asyncio.create_task(child.run()) for child in self.children]
        told = asyncio.create_task(stopping.wait())
        try:
            # A life ends only by being stopped, or by a fault of ours that must not go unseen.
            await asyncio.wait([told, *lives], return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            await self._stop()
            await asyncio.gather(*lives)

    async def ready(self) -> None:
        """Waits until every child is ready at once."""
        await self._ready.wait()

    def kill(self) -> None:
        """Kills every child at once, for the impatient."""
        for child in self.children:
            child.signal(signal.SIGKILL)

    async def _stop(self) -> None:
        for turn in sorted({child.plan.stop for child in self.children}):
            await asyncio.gather(
                *(child.stop(self._grace) for child in self.children if child.plan.stop == turn)
            )

    def _on(self, child: Child) -> None:
        self._report(child)
        if all(child.phase is Phase.READY for child in self.children):
            self._ready.set()


def _named(name: str, echo: Callable[[str, str], None] | None) -> Callable[[str], None] | None:
    return None if echo is None else lambda line: echo(name, line)
