"""The last step: music and guide put together, and all that goes with a song."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What the steps before have left."""

    words: Words
    score: Score
    music: Samples
    vocals: Samples | None

    @property
    def times(self) -> list[tuple[float, str]]:
        """The second at which each line begins."""
        lines = zip(self.words.lines, self.score.lines, strict=True)
        return [(notes[0].start, line.text) for line, notes in lines if notes]


async def mix(making: Making) -> Output:
    """Leaves the song as mp3, without its guide too where it has one, its cover and its times."""
    wish, facts = making.wish, making.facts
    parts = await computed(lambda _: _parts(making))
    title, artist = wish.title or parts.words.lines[0].text, wish.artist or NOBODY
    picture = await computed(lambda _: cover(title, artist, wish.genre, making.mood, making.seed))
    tags = Tags(
        title=title,
        artist=artist,
        genre=wish.genre,
        tempo=float(facts["tempo"]),
        key=str(facts["key"]),
        language=str(facts["language"]),
        lines=parts.times,
        cover=picture,
    )
    making.reached(0.2)
    files = {
        "lyrics.lrc": lrc(title, artist, float(facts["duration_seconds"]), parts.times).encode(),
        "cover.png": picture,
        "song.mp3": await computed(lambda cancelled: _mp3(parts, parts.vocals, tags, cancelled)),
    }
    if parts.vocals is not None:
        making.reached(0.6)
        bare = replace(tags, title=f"{title} (instrumental)")
        files["instrumental.mp3"] = await computed(
            lambda cancelled: _mp3(parts, None, bare, cancelled)
        )
    await making.publish(files)
    return {"facts": {}, "files": list(files)}


def _parts(making: Making) -> _Parts:
    folder = making.folder
    sung = not making.wish.instrumental
    return _Parts(
        words=Words.from_json(folder.artifact_bytes("lyrics.json")),
        score=Score.from_json(folder.kept(SCORE)),
        music=read(folder.kept(MUSIC), channels=2),
        vocals=read(folder.kept(VOCALS), channels=1) if sung else None,
    )


def _mp3(parts: _Parts, vocals: Samples | None, tags: Tags, cancelled: Cancellation) -> bytes:
    sound = mixed(parts.music, vocals)
    file = encoded(sound, "mp3", RATE, lambda: cancelled.is_set)
    return tagged(file, parts.words.text(), tags)
