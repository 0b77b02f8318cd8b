"""How the voices of a recording go over time: lanes above its waveform, and the same as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orfeon.voices import TimelineSegment, Turn
from services.studio.feelings import feeling
from services.studio.markup import block, text
from services.studio.pages.emotion_answer import percent
from services.studio.texts import Texts
from services.studio.waveform import Waveform

#: Neighbours of one label that are no farther apart than this are one stretch, seconds.
_GAP = 0.35
#: Pixels: a second where there is room, all of it at most, and a page.
_SECOND, _WIDEST, _PAGE = 36, 12_000, 700
#: Pixels of a column of the waveform, and of the distance between two marks of the axis.
_COLUMN, _MARK = 3, 85
#: The distances that the marks of an axis may have, seconds.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to `end`, seconds, a voice tells this label."""

    start: float
    end: float
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class View:
    """What is drawn: the stretches and turns between `start` and `end`, seconds.

    `fits` makes it as wide as the page, where it is wider otherwise, and scrolls.
    """

    start: float
    end: float
    stretches: Sequence[Stretch]
    turns: Sequence[Turn]
    waveform: Waveform
    fits: bool = False


def merged(segments: Iterable[TimelineSegment]) -> list[Stretch]:
    """The stretches in which somebody speaks; neighbours that tell the same are one."""
    stretches: list[Stretch] = []
    for each in segments:
        if each.label is None or each.confidence is None:
            continue
        last = stretches[-1] if stretches else None
        if last and last.label == each.label and each.start - last.end <= _GAP:
            stretches[-1] = _joined(last, each.end, each.confidence, each.end - each.start)
        else:
            stretches.append(Stretch(each.start, each.end, each.label, each.confidence))
    return stretches


def clock(seconds: float) -> str:
    """A time as people write it, such as 1:05."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes = f"{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{f'{hours}:' if hours else ''}{minutes}:{rest % 60:02d}"


def drawn(view: View, t: Texts) -> str:
    """The lanes, the waveform, an axis and a legend, as HTML."""
    length = max(view.end - view.start, 0.1)
    pixels = _PAGE if view.fits else max(_PAGE, min(length * _SECOND, _WIDEST))
    width = "100%" if view.fits else f"max(100%, {min(length * _SECOND, _WIDEST):.0f}px)"
    columns = round(pixels / _COLUMN)
    seen = [each for each in view.stretches if each.end > view.start]
    lanes = [_lane(t("emotion.lane"), [_stretch(each, view, t) for each in seen])]
    for number, name in enumerate(dict.fromkeys(turn.speaker for turn in view.turns)):
        marks = [_turn(turn, number, view) for turn in view.turns if turn.speaker == name]
        lanes.append(_lane(t("emotion.speaker", name=text(name)), marks))
    wave = view.waveform.path(view.start, view.end, columns)
    # What scrolls must be reachable by keyboard.
    scrolls = "" if view.fits else f'tabindex="0" role="group" aria-label="{t("emotion.timeline")}"'
    return block(f"""
        <div class="emotion-scroll" {scrolls}>
        <div class="emotion-lanes" role="img" aria-label="{_said(view, t)}"
        style="width:{width}" data-start="{view.start:.2f}" data-seconds="{length:.2f}">
        {"".join(lanes)}
        <svg class="emotion-wave" viewBox="0 0 {columns} 100" preserveAspectRatio="none"
        aria-hidden="true"><path d="{wave}"></path></svg>
        <div class="emotion-axis">{_axis(view, length, pixels / _MARK)}</div></div></div>
        {legend(view, t)}""")


def legend(view: View, t: Texts) -> str:
    """Every label that is drawn, beside its colour."""
    labels = dict.fromkeys(each.label for each in view.stretches)
    items = "".join(
        f'<li><span class="feeling" style="{feeling(label, t).style}"></span>'
        f"{feeling(label, t).name}</li>"
        for label in labels
    )
    return f'<ul class="emotion-legend" aria-label="{t("emotion.legend")}">{items}</ul>'


def table(stretches: Sequence[Stretch], turns: Sequence[Turn], t: Texts) -> str:
    """The stretches as a table, whose times are buttons that play."""
    who = f"<th scope='col'>{t('emotion.column_speaker')}</th>" if turns else ""
    rows = "".join(
        f'<tr><td><button type="button" data-play="{each.start:.2f}" disabled>'
        f"{clock(each.start)} – {clock(each.end)}</button></td>"
        f"<td>{feeling(each.label, t).name}</td><td>{text(percent(each.confidence))}</td>"
        + (f"<td>{text(speaker_of(each, turns))}</td>" if turns else "")
        + "</tr>"
        for each in stretches
    )
    return block(f"""
        <div class="emotion-table" tabindex="0" role="group" aria-label="{t("emotion.table")}">
        <table><thead><tr><th scope="col">{t("emotion.column_time")}</th>
        <th scope="col">{t("emotion.column_label")}</th>
        <th scope="col">{t("emotion.column_percent")}</th>{who}</tr></thead>
        <tbody>{rows}</tbody></table></div>""")


def speaker_of(stretch: Stretch, turns: Sequence[Turn]) -> str:
    """Who speaks for most of a stretch; nothing where nobody is known to."""
    shares: dict[str, float] = {}
    for turn in turns:
        shared = min(turn.end, stretch.end) - max(turn.start, stretch.start)
        if shared > 0:
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + shared
    return max(shares, key=lambda name: shares[name], default="")


def _joined(last: Stretch, end: float, confidence: float, seconds: float) -> Stretch:
    before = last.end - last.start
    mean = (last.confidence * before + confidence * seconds) / (before + seconds)
    return Stretch(last.start, end, last.label, mean)


def _lane(name: str, marks: Iterable[str]) -> str:
    return (
        f'<div class="emotion-lane"><span class="emotion-lane-name">{name}</span>'
        f'<div class="emotion-marks">{"".join(marks)}</div></div>'
    )


def _stretch(each: Stretch, view: View, t: Texts) -> str:
    kind = feeling(each.label, t)
    title = (
        f"{kind.name}, {text(percent(each.confidence))}, {clock(each.start)} – {clock(each.end)}"
    )
    return (
        f'<span class="emotion-mark feeling" title="{title}" '
        f'style="{kind.style};{_place(each.start, each.end, view)}">{kind.name}</span>'
    )


def _turn(turn: Turn, number: int, view: View) -> str:
    place = _place(turn.start, turn.end, view)
    kind = f"emotion-mark emotion-turn emotion-turn-{number % 4}"
    return f'<span class="{kind}" style="{place}">{text(turn.speaker)}</span>'


def _place(start: float, end: float, view: View) -> str:
    length = max(view.end - view.start, 0.1)
    first, last = max(start, view.start), min(end, view.end)
    left = 100 * (first - view.start) / length
    return f"left:{left:.3f}%;width:{100 * max(last - first, 0.0) / length:.3f}%"


def _axis(view: View, length: float, most: float) -> str:
    step = next((step for step in _STEPS if length / step <= most), _STEPS[-1])
    first = -(-int(view.start) // step) * step
    return "".join(
        f'<span style="left:{100 * (at - view.start) / length:.3f}%">{clock(at)}</span>'
        for at in range(first, int(view.end) + 1, step)
        # The last would stick out.
        if at <= view.start + 0.96 * length
    )


def _said(view: View, t: Texts) -> str:
    """The timeline in a sentence: how long it is, and what is told for longest."""
    seconds: dict[str, float] = {}
    for each in view.stretches:
        seconds[each.label] = seconds.get(each.label, 0.0) + each.end - each.start
    names = [feeling(label, t).name for label in sorted(seconds, key=lambda label: -seconds[label])]
    if not names:
        return t("emotion.timeline_empty", length=clock(view.end))
    return t("emotion.timeline_said", length=clock(view.end), names=", ".join(names[:3]))
