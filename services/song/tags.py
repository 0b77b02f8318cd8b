"""What a music file says about itself: title, lyrics, cover and so on, as ID3."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from mutagen.id3 import ID3, Encoding, PictureType
from mutagen.id3._frames import APIC, COMM, SYLT, TALB, TBPM, TCON, TIT2, TKEY, TPE1, USLT

ALBUM = "Orfeón"
#: Listeners must be able to see that no human made it.
COMMENT = "Made by a machine with Orfeón."

#: Languages by their ISO 639-2 codes, which ID3 asks for; the rest are `XXX`, unknown.
_LANGUAGES = {"en": "eng", "es": "spa", "fr": "fra", "de": "deu", "it": "ita", "pt": "por"}

#: In SYLT: times are milliseconds, texts are lyrics.
_MILLISECONDS, _LYRICS = 2, 1


@dataclass(frozen=True, slots=True)
class Tags:
    """What to say of a song. Empty texts, 0 and no lines are left out.

    `key` is such as `C major` or `F# minor`, `language` BCP 47. `lines` have the second at which
    each begins. `cover` is a PNG.
    """

    title: str
    artist: str = ""
    genre: str = ""
    tempo: float = 0.0
    key: str = ""
    language: str = "en"
    lines: Sequence[tuple[float, str]] = ()
    cover: bytes = b""


def tagged(mp3: bytes, lyrics: str, tags: Tags) -> bytes:
    """The file with `tags` and `lyrics` before its sound, and no others; the sound stays.

    ID3 version 2.4, of frames and a text encoding that version 2.3 has too.
    """
    id3 = ID3()
    texts = {
        TIT2: tags.title,
        TPE1: tags.artist,
        TALB: ALBUM,
        TCON: tags.genre,
        TBPM: f"{tags.tempo:.0f}" if tags.tempo > 0 else "",
        TKEY: _key(tags.key),
    }
    for frame, text in texts.items():
        if clean := _clean(text):
            id3.add(frame(encoding=Encoding.UTF16, text=[clean]))
    language = _LANGUAGES.get(tags.language.partition("-")[0].lower(), "XXX")
    id3.add(COMM(encoding=Encoding.UTF16, lang="eng", desc="", text=[COMMENT]))
    if lyrics:
        words = "\n".join(_clean(line) for line in lyrics.splitlines())
        id3.add(USLT(encoding=Encoding.UTF16, lang=language, desc="", text=words))
    if tags.lines:
        timed = [(_clean(text), round(max(0.0, start) * 1000)) for start, text in tags.lines]
        id3.add(
            SYLT(
                encoding=Encoding.UTF16,
                lang=language,
                format=_MILLISECONDS,
                type=_LYRICS,
                desc="",
                text=timed,
            )
        )
    if tags.cover:
        id3.add(
            APIC(
                encoding=Encoding.LATIN1,
                mime="image/png",
                type=PictureType.COVER_FRONT,
                desc="",
                data=tags.cover,
            )
        )
    file = io.BytesIO(mp3)
    id3.save(file, v1=0, v2_version=4)
    return file.getvalue()


def _key(key: str) -> str:
    """As TKEY has it: three characters at most, `F#m` for F sharp minor."""
    tonic, _, mode = key.strip().partition(" ")
    return f"{tonic[:2]}{'m' if mode == 'minor' else ''}"


def _clean(text: str) -> str:
    """Without control characters, of which zero would end the text, and what no encoding has."""
    valid = text.encode("utf-16", "replace").decode("utf-16")
    return "".join(c if c.isprintable() else " " for c in valid).strip()
