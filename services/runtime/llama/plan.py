"""Which tokens of which sequences are read in the next step."""

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar


class Work(Protocol):
    """What wants to be read: several tokens of a prompt, or the one that was chosen last."""

    @property
    def level(self) -> int:
        """0 (urgent), 1, 2 (background)."""

    @property
    def pending(self) -> int:
        """Tokens to be read before the next can be chosen."""

    @property
    def group(self) -> Hashable:
        """Only work of one group can be done in one step."""


W = TypeVar("W", bound=Work)


class Pace:
    """How many tokens are read in a given time, learnt from the steps."""

    #: Below this many tokens a step takes as long as for one, so it says nothing.
    LEAST = 16
    _FIRST_GUESS = 320.0

    def __init__(self, most: int) -> None:
        self._most = most
        self._rate = self._FIRST_GUESS

    def observe(self, tokens: int, seconds: float) -> None:
        """Learns from a step that read so many tokens."""
        if tokens >= self.LEAST and seconds > 0:
            self._rate += 0.3 * (tokens / seconds - self._rate)

    def within(self, seconds: float) -> int:
        """Tokens to read in about this time, at least `LEAST`, at most what a step can."""
        return min(self._most, max(self.LEAST, int(self._rate * seconds)))


class Turns:
    """Gives groups that cannot work together some steps each."""

    #: To change the group takes llama.cpp a few milliseconds.
    STEPS = 8

    def __init__(self) -> None:
        self._order: list[Hashable] = []
        self._left = 0

    def next(self, groups: Sequence[Hashable]) -> Hashable:
        """Whose step it is, among `groups`: whoever has waited longest once a turn is over."""
        waiting = [group for group in groups if group not in self._order]
        self._order = [group for group in self._order if group in groups]
        last = self._order[-1] if self._order else None
        if last is not None and (self._left > 0 or len(groups) == 1):
            self._left -= 1
            return last
        chosen = waiting[0] if waiting else self._order[0]
        self._order = [group for group in self._order if group != chosen] + [chosen]
        self._left = self.STEPS - 1
        return chosen


def plan(active: Sequence[W], turns: Turns, *, alone: int, beside: int) -> list[tuple[W, int]]:
    """The next step: work and how many of its tokens, in the order of `active`.

    `active` is in order of urgency and not empty. While answers are written, prompts are read
    `beside` tokens at a time, else `alone`. An urgent prompt has the step to itself, but for
    answers as urgent.
    """
    first = active[0].level
    group = turns.next(list(dict.fromkeys(w.group for w in active if w.level == first)))
    work = [w for w in active if w.group == group]
    if any(w.level == 0 and w.pending > 1 for w in work):
        work = [w for w in work if w.level == 0]
    room = beside if any(w.pending == 1 for w in work) else alone
    step = []
    for each in work:
        if each.pending == 1:
            step.append((each, 1))
        elif room > 0:
            count = min(each.pending, room)
            room -= count
            step.append((each, count))
    return step
