"""How the lines of a section share its bars."""

from collections.abc import Sequence
from dataclasses import dataclass

#: The most syllables that a bar may hold.
DENSEST = 12
#: A line that is given more than this many times the bars it wants leaves the rest to the band.
_STRETCH = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Bars of each line, in order, and bars without words after the last."""

    lines: tuple[int, ...]
    tail: int


def wanted(syllables: int, pace: float) -> int:
    """The bars that a line takes where there is room: `pace` syllables each."""
    return max(1, least(syllables), round(syllables / pace))


def least(syllables: int) -> int:
    """The fewest bars that a line fits in."""
    return -(-syllables // DENSEST)


def layout(syllables: Sequence[int], bars: int, pace: float) -> Layout:
    """Shares `bars` out. Raises `ValueError` for fewer than the lines need."""
    lines = [wanted(count, pace) for count in syllables]
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
