"""The words of a song: written by the lyrics service, or given by its owner."""

from contextlib import aclosing
from dataclasses import dataclass

from orfeon.api.lyrics.v1 import lyrics_pb2
from services.runtime.connection import answers
from services.runtime.sections import KIND_NAMES, KIND_NUMBERS
from services.runtime.syllables import syllables
from services.song.steps.making import Making, Output
from services.song.wish import MAX_SYLLABLES, Wish
from services.song.words import Line, Words

#: Seconds that a line takes to be sung, breath and all; what a form is chosen by.
SECONDS_PER_LINE = 4.5
#: Seconds of a song in which nobody sings: before the first line and after the last.
_AROUND = 6.0
#: The same at a tempo that is asked for: quarter notes that a line takes, and those before the
#: first one, which the last chord's seconds come after.
_LINE_BEATS, _FIRST_BEATS, _RING = 8, 4, 2.0

#: Lines of a song whose form the genre chooses; to say how far it is, alone.
_TYPICAL_LINES = 24

#: Sections by how many lines there is time for, the longest first.
_FORMS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (18, ("verse", "chorus", "verse", "chorus", "bridge", "chorus")),
    (12, ("verse", "chorus", "verse", "chorus")),
    (9, ("verse", "chorus", "verse")),
    (4, ("verse", "chorus")),
    (0, ("verse",)),
)


@dataclass(frozen=True, slots=True)
class Form:
    """Sections in order, and lines of each; none and 0 are the genre's choice."""

    sections: tuple[str, ...]
    lines: int


async def write(making: Making) -> Output:
    """Leaves the words as text and with their syllables."""
    wish = making.wish
    if wish.lyrics:
        words, facts = _given(wish), {"language": wish.language or "en"}
    else:
        words, facts = await making.patience.until_done("lyrics", lambda: _written(making))
    files = {"lyrics.txt": words.text().encode(), "lyrics.json": words.to_json()}
    await making.publish(files)
    return {"facts": facts, "files": list(files)}


def form_of(wish: Wish) -> Form:
    """The form to write: the owner's, or one that there is time for.

    Where the length is asked for as well, no more lines than fit into it at the tempo.
    """
    if wish.seconds is None:
        return Form(wish.sections, wish.lines)
    beat = 60.0 / wish.tempo if wish.tempo else 0.0
    around = max(_AROUND, _FIRST_BEATS * beat + _RING)
    room = max(1, int((wish.seconds - around) / max(SECONDS_PER_LINE, _LINE_BEATS * beat)))
    sections = wish.sections or next(form for least, form in _FORMS if room >= least)
    most = max(1, room // len(sections))
    return Form(sections, min(wish.lines or 4, most))


def _given(wish: Wish) -> Words:
    language = wish.language or "en"
    return Words(
        tuple(
            Line(at, section.kind, text, syllables(text, language))
            for at, section in enumerate(wish.lyrics)
            for text in section.lines
        )
    )


async def _written(making: Making) -> tuple[Words, dict[str, str]]:
    wish, form = making.wish, form_of(making.wish)
    call = making.upstreams.lyrics.WriteLyrics(
        lyrics_pb2.WriteLyricsRequest(
            genre=wish.genre,
            title=wish.title,
            style=wish.artist,
            theme=wish.theme,
            mood=making.mood,
            language=wish.language,
            first_line=wish.first_line,
            sections=[KIND_NUMBERS[kind] for kind in form.sections],
            lines=form.lines,
            seed=making.seed,
        ),
        metadata=making.context.metadata(),
    )
    expected = len(form.sections) * form.lines or _TYPICAL_LINES
    language, lines = "en", list[Line]()
    async with aclosing(answers(call)) as pieces:
        async for piece in pieces:
            if piece.HasField("started"):
                language = piece.started.language
            elif piece.HasField("line"):
                line = piece.line
                # A first line that somebody gave may hold no words, or far too many.
                count = min(max(line.syllables, 1), MAX_SYLLABLES)
                lines.append(Line(line.section, KIND_NAMES[line.kind], line.text, count))
                making.reached(len(lines) / expected)
    return Words(tuple(lines)), {"language": language}
