"""Transcripts as files: plain text, SubRip and WebVTT, byte for byte as the gateway writes them.

They are made of segments that are there already: to ask the gateway for each would have it listen
to the recording again.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of speech, seconds. `feeling` is what the voice tells, of probability `surety`.

    There is none where nobody speaks, or where it was not asked for.
    """

    start: float
    end: float
    text: str
    feeling: str | None = None
    surety: float = 0.0


def plain(segments: Iterable[Said]) -> str:
    """The text alone."""
    return "".join(said.text for said in segments).strip() + "\n"


def srt(segments: Iterable[Said]) -> str:
    """SubRip: numbered from 1, times as `00:00:01,500`."""
    return "".join(
        f"{number}\n{_time(said.start, ',')} --> {_time(said.end, ',')}\n{_cue(said.text)}\n\n"
        for number, said in enumerate(segments, 1)
    )


def vtt(segments: Iterable[Said]) -> str:
    """WebVTT: times as `00:00:01.500`."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(said.start, '.')} --> {_time(said.end, '.')}\n"
        f"{_cue(said.text).replace('&', '&amp;').replace('<', '&lt;')}\n\n"
        for said in segments
    )


def clock(seconds: float) -> str:
    """A time as people read it: `1:05`, or `1:02:03` after an hour."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _time(seconds: float, point: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _cue(text: str) -> str:
    # An empty line would end the cue, an arrow begin another.
    lines = (line.strip() for line in text.strip().splitlines())
    return "\n".join(line for line in lines if line).replace("-->", "->")
