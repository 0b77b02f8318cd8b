"""What the gateway is asked for, and the genres there are."""

from typing import Any

import pytest

from orfeon import MelodyGenre, Model
from services.studio.songwish import LENGTHS, song_genres, wish_of


def wish(**said: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("genre", "title", "artist", "first_line", "mood", "language", "length", "instrumental")
    )
    return {**empty, **said}


def model(id: str, task: str = "lyrics", default: bool = False, *languages: str) -> Model:
    return Model(
        id, 0, "orfeon", "lyrics", (task,), (), default, "loaded", 0, None, languages, (), (), ""
    )


def test_an_empty_form_leaves_everything_to_the_genre() -> None:
    asked = wish_of(**wish(length="long"))
    assert asked.for_lyrics() == {"style": "", "first_line": ""}
    assert asked.for_song() == {"artist": "", "instrumental": False, "first_line": ""}


def test_what_was_said_is_asked_for() -> None:
    said = wish(
        genre="rock", title=" Home ", artist="Ana", first_line="Two cups", mood="sad",
        language="es", length="short", instrumental=True,
    )  # fmt: skip
    common = {"genre": "rock", "title": "Home", "mood": "sad", "language": "es"}
    form = {"sections": ["verse", "chorus"], "lines": 2, "first_line": "Two cups"}
    assert wish_of(**said).for_lyrics() == {**common, **form, "style": "Ana"}
    sung = {"artist": "Ana", "instrumental": True}
    assert wish_of(**said).for_song() == {**common, **form, **sung}


def test_lyrics_as_they_were_edited_take_the_place_of_what_they_were_written_from() -> None:
    lyrics = [{"kind": "verse", "lines": ["One chair"]}]
    asked = wish_of(**wish(first_line="Two cups", length="short")).for_song(lyrics)  # type: ignore[arg-type]
    assert asked == {"artist": "", "instrumental": False, "lyrics": lyrics}


@pytest.mark.parametrize("length", [*LENGTHS, None, "endless"])
def test_every_length_can_be_asked_for(length: str | None) -> None:
    asked = wish_of(**wish(length=length)).for_lyrics()
    assert len(asked.get("sections", [])) * asked.get("lines", 0) <= 16


def test_genres_are_those_of_words_and_of_music_the_default_first() -> None:
    models = [
        model("sonnet"), model("rap"), model("ballad", "lyrics", False, "en", "es"),
        model("pop", default=True), model("smollm2", "text"),
    ]  # fmt: skip
    played = [MelodyGenre(name, 90, 120) for name in ("ballad", "pop", "rap", "jazz")]
    genres = song_genres(models, played)
    assert dict(genres) == {"pop": ("en",), "ballad": ("en", "es"), "rap": ("en",)}
    assert next(iter(genres)) == "pop"


def test_without_genres_of_music_all_of_words_count() -> None:
    assert set(song_genres([model("sonnet"), model("smollm2", "text")], [])) == {"sonnet"}
