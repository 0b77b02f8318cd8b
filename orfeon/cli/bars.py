"""Pictures of what was heard, in a terminal: scores as bars, a timeline as a strip."""

from collections.abc import Sequence

from rich.text import Text

from orfeon.cli.output import printable
from orfeon.voices import Classification, LabelScore, SpeakerResult, TimelineSegment

_BAR = 30
_STRIP = 72
#: Of a terminal's own colours, those that black letters can be read on.
_COLOURS = ("green", "yellow", "cyan", "magenta", "red", "blue", "white", "bright_green")
_NOBODY = "·"


def chart(title: str, found: Classification) -> str:
    """The scores as bars, best first; and each speaker's."""
    told = [f"{title} ({found.duration:.1f} s, {found.model})"]
    if found.fallback_for:
        told[0] += f", instead of {found.fallback_for}"
    told += _bars(found.label, found.labels)
    for speaker in found.speakers:
        told.append(_named(speaker))
        told += _bars(speaker.label, speaker.labels)
    return printable("\n".join(told)) + "\n"


def strip(timeline: Sequence[TimelineSegment], duration: float) -> Text:
    """How a recording goes, from left to right: a letter for what is heard at each moment.

    Below it is what the letters mean, and each stretch.
    """
    letters = _letters([one.label for one in timeline if one.label])
    styles = {label: f"black on {_COLOURS[at % len(_COLOURS)]}" for at, label in enumerate(letters)}
    drawn = Text()
    for cell in range(_STRIP if timeline else 0):
        label = _at(timeline, (cell + 0.5) * duration / _STRIP)
        if label is None:
            drawn.append(_NOBODY)
        else:
            drawn.append(letters[label], styles[label])
    drawn.append("\n")
    for label, letter in letters.items():
        drawn.append(letter, styles[label])
        drawn.append(f" {printable(label)}  ")
    drawn.append(f"{_NOBODY} nobody\n")
    for one in timeline:
        drawn.append(f"{_line(one)}\n")
    return drawn


def told(segment: TimelineSegment) -> str:
    """What is heard in a stretch."""
    if segment.label is None:
        return "nobody speaks"
    return printable(f"{segment.label} {segment.confidence:.0%}")


def _line(segment: TimelineSegment) -> str:
    who = f"  {printable(segment.speaker)}" if segment.speaker else ""
    return f"  {segment.start:7.1f} - {segment.end:7.1f} s  {told(segment)}{who}"


def _bars(label: str | None, labels: Sequence[LabelScore]) -> list[str]:
    if label is None:
        return ["  nobody speaks"]
    width = max((len(row.label) for row in labels), default=0)
    return [
        f"  {row.label:<{width}} {'█' * round(row.score * _BAR):<{_BAR}} {row.score:6.1%}"
        for row in labels
    ]


def _named(speaker: SpeakerResult) -> str:
    return f"{speaker.speaker} ({speaker.duration:.1f} s)"


def _letters(labels: Sequence[str]) -> dict[str, str]:
    """A letter of its own for each label: its first that is still to be had."""
    letters: dict[str, str] = {}
    for label in labels:
        if label not in letters:
            free = (c for c in label.lower() if c.isalpha() and c not in letters.values())
            letters[label] = next(free, "#")
    return letters


def _at(timeline: Sequence[TimelineSegment], moment: float) -> str | None:
    return next((one.label for one in timeline if one.start <= moment < one.end), None)
