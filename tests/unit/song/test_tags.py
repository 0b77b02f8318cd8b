import io
from typing import Any

import av
import numpy as np
import pytest
from mutagen.id3 import ID3

from services.runtime.encode import encoded
from services.song.cover import cover
from services.song.tags import COMMENT, Tags, tagged
from tests.recordings import tone

MP3 = encoded(tone(1.0, 44100, 2).astype(np.float32), "mp3", 44100)
COVER = b"\x89PNG\r\n\x1a\n" + bytes(100)
SONG = Tags(
    title="Canción de otoño",
    artist="Lucía 😀",
    genre="pop",
    tempo=119.6,
    key="F# minor",
    language="es-MX",
    lines=[(0.5, "La hoja cae"), (1.25, "El río va")],
)


def read(file: bytes) -> Any:
    return ID3(io.BytesIO(file))


def sound(file: bytes) -> np.ndarray:
    with av.open(io.BytesIO(file), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)


def test_players_read_what_the_song_is() -> None:
    with av.open(io.BytesIO(tagged(MP3, "La hoja cae\nEl río va", SONG))) as container:
        seen = container.metadata
    assert (seen["title"], seen["artist"]) == ("Canción de otoño", "Lucía 😀")
    assert (seen["album"], seen["genre"]) == ("Orfeón", "pop")
    assert (seen["TBPM"], seen["TKEY"]) == ("120", "F#m")
    assert seen["comment"] == COMMENT
    assert "La hoja cae\nEl río va" in seen.values()


def test_the_sound_stays_as_it_is() -> None:
    assert np.array_equal(sound(tagged(MP3, "", SONG)), sound(MP3))


def test_lyrics_are_there_with_times_and_without() -> None:
    tags = read(tagged(MP3, "La hoja cae\nEl río va", SONG))
    (timed,) = tags.getall("SYLT")
    assert timed.text == [("La hoja cae", 500), ("El río va", 1250)]
    assert (timed.format, timed.type, timed.lang) == (2, 1, "spa")
    (plain,) = tags.getall("USLT")
    assert plain.text == "La hoja cae\nEl río va"
    assert tags.version == (2, 4, 0)


def test_the_cover_is_a_stream_of_its_own() -> None:
    picture = cover("A", "B", "pop", "happy", 1)
    file = tagged(MP3, "", Tags("A", cover=picture))
    assert read(file).getall("APIC")[0].data == picture
    with av.open(io.BytesIO(file)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "png"


def test_what_is_empty_is_left_out() -> None:
    tags = read(tagged(MP3, "", Tags("A")))
    assert sorted(tags) == ["COMM::eng", "TALB", "TIT2"]


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "line\nbreak", "\x1b[31m"])
def test_odd_characters_do_not_break_the_file(text: str) -> None:
    song = Tags(text, text, text, lines=[(-1.0, text)], cover=COVER)
    tags = read(tagged(MP3, text, song))
    assert len(tags["TIT2"].text) == 1
    assert str(tags["TIT2"]).isprintable()


def test_tags_that_were_there_are_replaced() -> None:
    twice = tagged(tagged(MP3, "old", Tags("Old", "Nobody")), "new", Tags("New"))
    tags = read(twice)
    assert str(tags["TIT2"]) == "New"
    assert "TPE1" not in tags


def test_equal_songs_have_equal_bytes() -> None:
    assert tagged(MP3, "a", SONG) == tagged(MP3, "a", SONG)


@pytest.mark.parametrize(
    ("key", "written"), [("C major", "C"), ("Bb minor", "Bbm"), ("a minor", "am"), ("E", "E")]
)
def test_keys_are_written_as_id3_has_them(key: str, written: str) -> None:
    assert str(read(tagged(MP3, "", Tags("A", key=key)))["TKEY"]) == written
