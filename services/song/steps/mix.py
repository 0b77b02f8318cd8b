"""The last step: music and guide put together, and all that goes with a song."""

import asyncio
from dataclasses import dataclass

from services.runtime.encode import encoded
from services.runtime.worker import Cancellation
from services.song.cover import cover
from services.song.lrc import lrc
from services.song.mixing import mixed
from services.song.sound import RATE, Samples, read
from services.song.steps.compose import MUSIC, SCORE
from services.song.steps.computing import computed
from services.song.steps.making import Making, Output
from services.song.steps.sing import VOCALS
from services.song.tags import Tags, tagged
from services.song.words import Score, Words

#: The artist of a song that names none.
NOBODY = "Orfeón"


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the steps before have left."""

    words: Words
    score: Score
    music: bytes
    vocals: bytes | None


async def mix(making: Making) -> Output:
    """Leaves the song as mp3, without its guide too where it has one, its cover and its times."""
    parts = await asyncio.to_thread(_parts, making)
    files = await computed(lambda cancelled: _files(making, parts, cancelled))
    await asyncio.to_thread(making.folder.publish, files)
    return {"facts": {}, "files": list(files)}


def _parts(making: Making) -> _Parts:
    folder = making.folder
    return _Parts(
        words=Words.from_json(folder.artifact_bytes("lyrics.json")),
        score=Score.from_json(folder.kept(SCORE)),
        music=folder.kept(MUSIC),
        vocals=None if making.wish.instrumental else folder.kept(VOCALS),
    )


def _files(making: Making, parts: _Parts, cancelled: Cancellation) -> dict[str, bytes]:
    wish, facts, lines = making.wish, making.facts, parts.words.lines
    title = wish.title or lines[0].text
    artist = wish.artist or NOBODY
    times = [
        (notes[0].start, line.text)
        for line, notes in zip(lines, parts.score.lines, strict=True)
        if notes
    ]
    picture = cover(title, artist, wish.genre, making.mood, making.seed)
    music = read(parts.music, channels=2)
    vocals = None if parts.vocals is None else read(parts.vocals, channels=1)

    def mp3(name: str, voice: Samples | None) -> bytes:
        file = encoded(mixed(music, voice), "mp3", RATE, lambda: cancelled.is_set)
        tags = Tags(
            title=name,
            artist=artist,
            genre=wish.genre,
            tempo=float(facts["tempo"]),
            key=str(facts["key"]),
            language=str(facts["language"]),
            lines=times,
            cover=picture,
        )
        return tagged(file, parts.words.text(), tags)

    files = {
        "lyrics.lrc": lrc(title, artist, float(facts["duration_seconds"]), times).encode(),
        "cover.png": picture,
        "song.mp3": mp3(title, vocals),
    }
    making.reached(0.6)
    if vocals is not None:
        files["instrumental.mp3"] = mp3(f"{title} (instrumental)", None)
    return files
