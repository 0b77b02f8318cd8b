"""What each speaker's voice tells: who speaks when, joined with what was heard when."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.emotion.diarization import Turn
from services.emotion.engine import LabelScore
from services.emotion.hearing import Scored
from services.emotion.timeline import Mean


@dataclass(slots=True)
class Speaker:
    """One speaker: when they speak, seconds, and what is heard in the voice, best first."""

    id: str
    turns: list[Turn] = field(default_factory=list)
    labels: tuple[LabelScore, ...] = ()

    @property
    def seconds(self) -> float:
        """How long they speak."""
        return sum(turn.end - turn.start for turn in self.turns)


class Conversation:
    """The turns of a recording, by time, and its speakers in the order in which they begin."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._starts = [turn.start for turn in turns]
        self.turns = turns
        self.speakers: dict[str, Speaker] = {}
        for turn in turns:
            self.speakers.setdefault(turn.speaker, Speaker(turn.speaker)).turns.append(turn)

    def shares(self, start: float, end: float) -> dict[str, float]:
        """How long each speaks in a stretch, seconds."""
        shares: dict[str, float] = {}
        first = max(0, bisect.bisect_right(self._starts, start) - 1)
        for turn in self.turns[first : bisect.bisect_left(self._starts, end)]:
            overlap = turn.overlap(start, end)
            if overlap > 0:
                shares[turn.speaker] = shares.get(turn.speaker, 0.0) + overlap
        return shares

    def speaker(self, start: float, end: float) -> str:
        """Who speaks most in a stretch; empty where nobody does."""
        shares = self.shares(start, end)
        return max(shares, key=lambda name: shares[name]) if shares else ""

    def tell(self, scored: Sequence[Scored], labels: list[str]) -> None:
        """Gives each speaker the mean of the windows in which they speak, weighted by how long."""
        means = {name: Mean(labels) for name in self.speakers}
        for window in scored:
            for name, seconds in self.shares(window.start, window.end).items():
                means[name].add(window.scores, seconds)
        for name, speaker in self.speakers.items():
            speaker.labels = means[name].ranked
