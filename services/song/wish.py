"""What is asked for: a song as its owner wishes it, checked as far as that needs nobody else."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orfeon.api.song.v1 import song_pb2
from services.runtime.errors import InvalidRequest
from services.runtime.sections import KINDS
from services.runtime.syllables import syllables

#: Labels of emotion that lyrics are written for.
MOODS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

MIN_SECONDS, MAX_SECONDS = 10.0, 180.0
SLOWEST, FASTEST = 40.0, 240.0
MAX_TEXT = 200
MAX_SECTIONS = 16
#: Lines of a section, and of a song.
MAX_LINES, MAX_SONG_LINES = 16, 64
#: Syllables of a line; singers have to breathe.
MAX_SYLLABLES = 40
MAX_KEY_CHARACTERS = 255

_TEXTS = ("genre", "title", "artist", "first_line", "theme", "mood", "language")
_KEY = re.compile(r"[A-Ga-g][#b]? (?:major|minor)")


@dataclass(frozen=True, slots=True)
class Section:
    """A section and its lines."""

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A song to make. What is empty, 0 or None is the genre's choice or nobody's.

    `seconds` is its length, `tempo` in quarter notes per minute, `lines` of each section. `lyrics`
    are those of the owner, to be sung as they are.
    """

    genre: str = ""
    title: str = ""
    artist: str = ""
    first_line: str = ""
    theme: str = ""
    mood: str = ""
    language: str = ""
    sections: tuple[str, ...] = ()
    lines: int = 0
    seconds: float | None = None
    tempo: float = 0.0
    key: str = ""
    instrumental: bool = False
    lyrics: tuple[Section, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Wish":
        """As it was."""
        lyrics = tuple(Section(one["kind"], tuple(one["lines"])) for one in kept["lyrics"])
        return Wish(**{**kept, "sections": tuple(kept["sections"]), "lyrics": lyrics})


def wish_of(config: song_pb2.SongConfig) -> Wish:
    """The song that is asked for. Raises `InvalidRequest` naming the field at fault."""
    texts = {name: _text(name, getattr(config, name)) for name in _TEXTS}
    key = config.key.strip()
    if key and not _KEY.fullmatch(key):
        raise InvalidRequest(
            "key must be a tonic and a mode, such as 'C major' or 'F# minor'.", param="key"
        )
    if len(config.idempotency_key) > MAX_KEY_CHARACTERS:
        raise InvalidRequest(
            f"The idempotency key may have {MAX_KEY_CHARACTERS} characters.",
            param="idempotency_key",
        )
    if texts["mood"] and texts["mood"] not in MOODS:
        raise InvalidRequest(f"mood must be one of {', '.join(MOODS)}.", param="mood")
    seconds = config.duration_seconds if config.HasField("duration_seconds") else None
    # `not (a <= x <= b)`, here and below: NaN fails every comparison.
    if seconds is not None and not (MIN_SECONDS <= seconds <= MAX_SECONDS):
        raise InvalidRequest(
            f"duration must be between {MIN_SECONDS:g} and {MAX_SECONDS:g} seconds.",
            param="duration",
        )
    if config.tempo != 0 and not (SLOWEST <= config.tempo <= FASTEST):
        raise InvalidRequest(
            f"tempo must be between {SLOWEST:g} and {FASTEST:g} quarter notes per minute.",
            param="tempo",
        )
    if not 0 <= config.lines <= MAX_LINES:
        raise InvalidRequest(f"lines must be between 1 and {MAX_LINES}.", param="lines")
    return Wish(
        **texts,
        sections=_sections(config),
        lines=config.lines,
        seconds=seconds,
        tempo=config.tempo,
        key=key,
        instrumental=config.instrumental,
        lyrics=_lyrics(config, texts["language"]),
    )


def _text(field: str, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise InvalidRequest(
            f"{field} may have {MAX_TEXT} characters, and has {len(text)}: shorten it.", param=field
        )
    if not _one_line(text):
        raise InvalidRequest(
            f"{field} holds control characters or line breaks; remove them.", param=field
        )
    if field == "first_line" and text and not text.strip():
        raise InvalidRequest("first_line holds no words; leave it out.", param=field)
    return text.strip()


def _sections(config: song_pb2.SongConfig) -> tuple[str, ...]:
    if len(config.sections) > MAX_SECTIONS:
        raise InvalidRequest(f"At most {MAX_SECTIONS} sections.", param="sections")
    _check_kinds(config.sections, lambda _at: "sections")
    return tuple(config.sections)


def _lyrics(config: song_pb2.SongConfig, language: str) -> tuple[Section, ...]:
    given = config.lyrics
    if len(given) > MAX_SECTIONS:
        raise InvalidRequest(f"lyrics may have {MAX_SECTIONS} sections.", param="lyrics")
    count = sum(len(section.lines) for section in given)
    if count > MAX_SONG_LINES:
        raise InvalidRequest(
            f"lyrics may have {MAX_SONG_LINES} lines in all, and have {count}.", param="lyrics"
        )
    _check_kinds([section.kind for section in given], lambda at: f"lyrics[{at}].kind")
    for at, section in enumerate(given):
        if not section.lines:
            raise InvalidRequest(
                "A section of lyrics needs at least one line.", param=f"lyrics[{at}].lines"
            )
        for number, line in enumerate(section.lines):
            _check_line(line, language or "en", f"lyrics[{at}].lines[{number}]")
    return tuple(
        Section(section.kind, tuple(line.strip() for line in section.lines)) for section in given
    )


def _check_kinds(kinds: Any, param: Callable[[int], str]) -> None:
    for at, kind in enumerate(kinds):
        if kind not in KINDS:
            raise InvalidRequest(f"A section must be one of {', '.join(KINDS)}.", param=param(at))


def _check_line(line: str, language: str, param: str) -> None:
    if len(line) > MAX_TEXT or not _one_line(line):
        raise InvalidRequest(
            f"A line may have {MAX_TEXT} characters and no line break in it.", param=param
        )
    count = syllables(line, language)
    if not count:
        raise InvalidRequest(
            "A line holds no words that could be sung; write numbers as words.", param=param
        )
    if count > MAX_SYLLABLES:
        raise InvalidRequest(
            f"A line may have {MAX_SYLLABLES} syllables, and has about {count}: divide it.",
            param=param,
        )


def _one_line(text: str) -> bool:
    return not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text)
