"""Lyrics with a time for each line, as players show them: LRC."""

import math
from collections.abc import Sequence


def lrc(title: str, artist: str, length: float, lines: Sequence[tuple[float, str]]) -> str:
    """The lyrics of a song of `length` seconds, a line of text for each of `lines` in order.

    Each line has the second at which it begins. Times outside the song, or none at all (NaN), are
    brought inside it, and no line comes before the one above it.
    """
    end = _hundredths(length, math.inf)
    tags = [f"[ti:{_one_line(title)}]", f"[ar:{_one_line(artist)}]", f"[length:{_time(end)}]"]
    rows, now = [], 0
    for start, text in lines:
        now = max(now, _hundredths(start, end))
        rows.append(f"[{_time(now)}]{_one_line(text)}")
    return "\n".join([*tags, *rows]) + "\n"


def _hundredths(seconds: float, most: float) -> int:
    """Rounded down, so that nothing comes after the end; 0 for what is no number."""
    if math.isnan(seconds):
        return 0
    return math.floor(min(max(0.0, min(seconds, 360_000.0) * 100 + 1e-6), most))


def _time(hundredths: int) -> str:
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _one_line(text: str) -> str:
    """Players read a bracket at the start as another time, and an angle one as a word's."""
    flat = " ".join(text.split())
    return flat.replace("[", "(").replace("]", ")").replace("<", "‹").replace(">", "›")
