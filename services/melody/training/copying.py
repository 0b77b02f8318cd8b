"""Whether leads are copied: the longest run of notes that is also in a song of the corpus."""

import itertools
from collections.abc import Sequence

from services.melody.tokens import STEPS, Bar

#: The longest run looked for.
_LONGEST = 64
#: An interval to the next note, and the sixteenths until it begins.
Step = tuple[int, int]


def steps(bars: Sequence[Bar]) -> list[Step]:
    """A lead as intervals and waits, whatever its key."""
    notes = [
        (number * STEPS + at, pitch) for number, bar in enumerate(bars) for at, pitch, _ in bar.lead
    ]
    return [
        (later[1] - note[1], min(later[0] - note[0], 2 * STEPS))
        for note, later in itertools.pairwise(notes)
    ]


class Known:
    """Runs of all lengths in the leads of songs."""

    def __init__(self, leads: Sequence[Sequence[Step]]) -> None:
        self._leads = [list(lead) for lead in leads]
        self._runs: dict[int, set[int]] = {}

    def longest(self, lead: Sequence[Step]) -> int:
        """Notes of the longest run of `lead` that is in a song; 1 where not even two are."""
        length = 0
        while length < _LONGEST:
            known = self._of(length + 1)
            runs = (tuple(lead[at : at + length + 1]) for at in range(len(lead) - length))
            if not any(hash(run) in known for run in runs):
                break
            length += 1
        return length + 1

    def _of(self, length: int) -> set[int]:
        if length not in self._runs:
            self._runs[length] = {
                hash(tuple(lead[at : at + length]))
                for lead in self._leads
                for at in range(len(lead) - length + 1)
            }
        return self._runs[length]
