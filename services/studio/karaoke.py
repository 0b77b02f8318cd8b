"""Lyrics with a time for each line, as songs bring them: LRC."""

import re

_LINE = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:\.\d{1,3})?)\](.*)")


def timed_lines(lrc: str) -> list[tuple[float, str]]:
    """The lines in their order, each with the second at which it begins. Tags are left out."""
    return [
        (int(found[1]) * 60 + float(found[2]), found[3].strip())
        for row in lrc.splitlines()
        if (found := _LINE.fullmatch(row.strip()))
    ]
