"""An event loop that runs what can go on and no further, in a time that goes when told."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from tests.fakes.clock import FakeClock

#: Rounds after which something must be going in circles.
ENDLESS = 5_000
#: What went wrong unseen, loop by loop.
UNSEEN: list[list[str]] = []


class _Idle(selectors.SelectSelector):
    """Where an event loop would sleep, this stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.idle: Callable[[], None] = lambda: None
        self.rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Takes no time."""
        self.rounds += 1
        if self.rounds > ENDLESS:
            raise RecursionError("The tasks wake each other for ever.")
        if timeout is None or timeout > 0:
            self.idle()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its seconds are the clock's. What goes wrong unseen, in callbacks and tasks, is noted."""

    def __init__(self, clock: FakeClock) -> None:
        self.unseen: list[str] = []
        UNSEEN.append(self.unseen)
        self._clock = clock
        self._idle = _Idle()
        super().__init__(self._idle)
        self._idle.idle = self.stop
        self.set_exception_handler(lambda _, context: self.unseen.append(_said(context)))

    def time(self) -> float:
        """The clock's time."""
        return self._clock()

    def settle(self) -> None:
        """Lets every task that can go on go on."""
        self._idle.rounds = 0
        self.run_forever()

    def do(self, *actions: Callable[[], object]) -> None:
        """Does things in the same moment, then settles. Raises what they raise."""
        raised: list[BaseException] = []

        def guarded(action: Callable[[], object]) -> None:
            try:
                action()
            except BaseException as error:
                raised.append(error)

        for action in actions:
            self.call_soon(guarded, action)
        self.settle()
        if raised:
            raise raised[0]


def _said(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


def looking(examples: int, steps: int = 40) -> settings:
    """How far a property test looks: always at the same `examples`, so that the unit tier is quick.

    `pytest --hypothesis-profile=thorough` looks at fifty times as many, and others each time.
    """
    thorough = settings().max_examples // settings.get_profile("default").max_examples
    return settings(
        max_examples=examples * max(1, thorough),
        stateful_step_count=steps,
        derandomize=thorough <= 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
