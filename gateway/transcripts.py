"""Transcripts as text: plain, SubRip and WebVTT."""

from collections.abc import Iterable
from typing import Protocol


class Timed(Protocol):
    """A stretch of speech; times in seconds."""

    @property
    def start(self) -> float:
        """When it starts."""

    @property
    def end(self) -> float:
        """When it ends."""

    @property
    def text(self) -> str:
        """What is said."""


def plain(segments: Iterable[Timed]) -> str:
    """The text alone."""
    return "".join(segment.text for segment in segments).strip()


def srt(segments: Iterable[Timed]) -> str:
    """SubRip: numbered from 1, times as `00:00:01,500`."""
    return "".join(
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n"
        f"{_cue(segment.text)}\n\n"
        for number, segment in enumerate(segments, 1)
    )


def vtt(segments: Iterable[Timed]) -> str:
    """WebVTT: times as `00:00:01.500`."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_vtt_cue(segment.text)}\n\n"
        for segment in segments
    )


def _time(seconds: float, point: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _cue(text: str) -> str:
    # An empty line would end the cue, an arrow begin another.
    lines = (line.strip() for line in text.strip().splitlines())
    return "\n".join(line for line in lines if line).replace("-->", "->")


def _vtt_cue(text: str) -> str:
    return _cue(text).replace("&", "&amp;").replace("<", "&lt;")
