"""How the lines of a section share its bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: The most syllables that a bar may hold.
DENSEST = 12
#: A line of so many times the mean's syllables has bars of its own; and the share of a bar that
#: its lines may be too long for before they have one more.
_LONG, _GIVE = 1.5, 0.2
#: A line that is given more than this many times the bars it wants leaves the rest to the band.
_STRETCH = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Bars of each line, in order, and bars without words after the last."""

    lines: tuple[int, ...]
    tail: int


def wanted(syllables: Sequence[int], pace: float) -> list[int]:
    """The bars that lines take where there is room, about `pace` syllables each.

    All of a section the same, but for lines much longer than the others.
    """
    if not syllables:
        return []
    mean = sum(syllables) / len(syllables)
    return [
        max(
            least(count),
            math.ceil(max(mean, count if count > _LONG * mean else 0) / pace - _GIVE),
        )
        for count in syllables
    ]


def least(syllables: int) -> int:
    """The fewest bars that a line fits in."""
    return -(-syllables // DENSEST)


def layout(syllables: Sequence[int], bars: int, pace: float) -> Layout:
    """Shares `bars` out. Raises `ValueError` for fewer than the lines need."""
    lines = wanted(syllables, pace)
    spare = bars - sum(lines)
    while spare < 0:
        # The line whose bars are emptiest gives one up; of equal ones the last.
        crowded = [
            count / (taken - 1) if taken > least(count) else float("inf")
            for count, taken in zip(syllables, lines, strict=True)
        ]
        at = min(range(len(lines)), key=lambda at: (crowded[at], -at))
        if crowded[at] == float("inf"):
            raise ValueError(f"{bars} bars are too few for lines of {tuple(syllables)} syllables")
        lines[at] -= 1
        spare += 1
    most = [_STRETCH * taken for taken in lines]
    while spare >= len(lines) > 0 and lines[0] < most[0]:
        grown = [min(taken + 1, limit) for taken, limit in zip(lines, most, strict=True)]
        spare -= sum(grown) - sum(lines)
        lines = grown
    return Layout(tuple(lines), spare)
