"""Whether words have room in the length that a song may have: known before any are written."""

from services.runtime.errors import InvalidRequest
from services.runtime.syllables import syllables
from services.song.steps.write import form_of
from services.song.wish import MAX_SECONDS, Wish

#: Quarter notes of a bar, and the syllables that can be sung in one.
_BEATS, _SYLLABLES = 4, 8
#: Bars of a line that is still to be written, many of them together, and what genres write that are
#: told nothing.
_BARS, _LINES, _SECTIONS = 1.5, 4, 6
#: Seconds in which the last chord rings.
_RING = 2.0


def check_length(wish: Wish, fastest: float) -> None:
    """Refuses more lines than the longest song has room for, or the one that is asked for.

    `fastest` is the genre's tempo, in quarter notes per minute. Raises `InvalidRequest`.
    """
    bar = 60.0 * _BEATS / (wish.tempo or fastest)
    least = _bars(wish) * bar + _RING
    room = wish.seconds or MAX_SECONDS
    if least <= room:
        return
    if wish.seconds is not None and least <= MAX_SECONDS:
        raise InvalidRequest(
            f"The lyrics do not fit {room:g} seconds: ask for at least {least:.0f}, or for fewer "
            "lines.",
            param="duration",
        )
    raise InvalidRequest(
        f"The lyrics take at least {least:.0f} seconds, and a song has at most {MAX_SECONDS:g}: "
        "ask for fewer lines or sections.",
        param="lyrics" if wish.lyrics else "sections",
    )


def _bars(wish: Wish) -> float:
    """The fewest bars that the words need, and one in which the band begins."""
    if wish.lyrics:
        language = wish.language or "en"
        counts = (syllables(line, language) for section in wish.lyrics for line in section.lines)
        return 1 + sum(-(-count // _SYLLABLES) for count in counts)
    form = form_of(wish)
    if wish.seconds is not None and not wish.sections and not wish.tempo:
        return 1  # The form was chosen to fit.
    return 1 + (len(form.sections) or _SECTIONS) * (form.lines or _LINES) * _BARS
