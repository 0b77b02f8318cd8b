"""A song as somebody wishes it in the web app, and as the gateway is asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orfeon import LyricsWish, MelodyGenre, Model, SongWish, WrittenSection

#: Labels of emotion that lyrics are written for.
MOODS = ("happy", "sad", "calm", "angry", "fearful", "surprised", "disgust", "neutral")
#: By length, the parts and how many lines each has; what is not said is the genre's choice.
_FORMS: Mapping[str, tuple[Sequence[str], int]] = {
    "short": (("verse", "chorus"), 2),
    "medium": (("verse", "chorus", "verse", "chorus"), 4),
    "long": ((), 0),
}
LENGTHS = tuple(_FORMS)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; empty is the genre's choice or nobody's. `length` is one of `LENGTHS`."""

    genre: str
    title: str
    artist: str
    first_line: str
    mood: str
    language: str
    length: str
    instrumental: bool

    def for_lyrics(self) -> LyricsWish:
        """What lyrics are asked for with."""
        said: LyricsWish = {"style": self.artist, "first_line": self.first_line}
        return {**said, **self._said(), **self._form()}  # type: ignore[typeddict-item]

    def for_song(self, lyrics: Sequence[WrittenSection] = ()) -> SongWish:
        """What a song of these lyrics is asked for with; without any it writes its own."""
        said: SongWish = {"artist": self.artist, "instrumental": self.instrumental}
        # The first line is among the lyrics, as long as its owner wants it.
        rest: dict[str, Any] = (
            {"lyrics": list(lyrics)} if lyrics else {"first_line": self.first_line, **self._form()}
        )
        return {**said, **self._said(), **rest}  # type: ignore[typeddict-item]

    def _said(self) -> dict[str, Any]:
        names = ("genre", "title", "mood", "language")
        return {name: value for name in names if (value := getattr(self, name))}

    def _form(self) -> dict[str, Any]:
        sections, lines = _FORMS[self.length]
        return {"sections": list(sections), "lines": lines} if sections else {}


def wish_of(
    genre: str | None,
    title: str | None,
    artist: str | None,
    first_line: str | None,
    mood: str | None,
    language: str | None,
    length: str | None,
    instrumental: bool | None,
) -> Wish:
    """The wish in a form, whose fields may be empty."""
    return Wish(
        genre=genre or "",
        title=(title or "").strip(),
        artist=(artist or "").strip(),
        first_line=(first_line or "").strip(),
        mood=mood or "",
        language=language or "",
        length=length if length and length in _FORMS else LENGTHS[0],
        instrumental=bool(instrumental),
    )


def song_genres(
    models: Sequence[Model], played: Sequence[MelodyGenre]
) -> Mapping[str, tuple[str, ...]]:
    """Genres that words and music can both be written in, with the languages of the words.

    The gateway's default comes first. Where nothing is said of music, as by composers that take
    any word for a genre, all that words are written in.
    """
    names = {genre.id for genre in played}
    written = [model for model in models if "lyrics" in model.tasks]
    written.sort(key=lambda model: (not model.default, model.id))
    return {
        model.id: model.languages or ("en",) for model in written if model.id in names or not names
    }
