"""The music of a song, fitted to its words."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from orfeon.api.melody.v1 import melody_pb2
from services.runtime.connection import answers
from services.runtime.errors import Internal, InvalidRequest
from services.song.singing import Note
from services.song.steps.making import Making, Output
from services.song.words import Score, Words

MUSIC, SCORE = "music.flac", "score.json"

_ARTIFACTS = (
    melody_pb2.ARTIFACT_KIND_MIDI,
    melody_pb2.ARTIFACT_KIND_MUSICXML,
    melody_pb2.ARTIFACT_KIND_STEMS,
    melody_pb2.ARTIFACT_KIND_SCORE,
)


@dataclass(slots=True)
class _Music:
    """What has come of a piece of music."""

    facts: dict[str, Any] = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)
    artifacts: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    score: Score | None = None
    finished: bool = False

    def add(self, piece: melody_pb2.ComposeResponse) -> None:
        match piece.WhichOneof("event"):
            case "started":
                self.facts = {
                    "tempo": piece.started.tempo,
                    "key": piece.started.key,
                    "duration_seconds": piece.started.duration_seconds,
                }
            case "audio":
                self.audio += piece.audio
            case "artifact":
                self.artifacts[piece.artifact.name] += piece.artifact.data
            case "score":
                self.score = _score(piece.score)
            case "finished":
                self.facts["duration_seconds"] = piece.finished.duration_seconds
                self.finished = True


async def compose(making: Making) -> Output:
    """Leaves the music, its parts and documents, and the notes of each line.

    Of a model that writes no notes there are none of these, and only an instrumental.
    """
    words = Words.from_json(await asyncio.to_thread(making.folder.artifact_bytes, "lyrics.json"))
    try:
        music = await _until_played(making, _sung(making, words))
        if music.score is None or len(music.score.lines) != len(words.lines):
            raise _no_notes()
    except InvalidRequest as error:
        if error.param != "artifacts":
            raise
        if not making.wish.instrumental:
            raise _no_notes() from None
        music = await _until_played(making, _free(making))
        music.score = Score(((),) * len(words.lines))
    kept = {MUSIC: bytes(music.audio), SCORE: music.score.to_json()}
    await making.keep(kept)
    published = {name: bytes(data) for name, data in music.artifacts.items()}
    await making.publish(published)
    return {"facts": music.facts, "files": [*kept, *published]}


def _no_notes() -> InvalidRequest:
    return InvalidRequest(
        "The model that composes here writes no notes that words could be sung on; ask for an "
        "instrumental, or choose another model as ORFEON_SONG_MELODY_MODEL.",
        param="instrumental",
    )


def _free(making: Making) -> melody_pb2.ComposeConfig:
    """Music in a genre and a mood."""
    wish = making.wish
    return melody_pb2.ComposeConfig(
        model=making.melody_model,
        genre=wish.genre,
        mood=making.mood,
        duration_seconds=wish.seconds,
        tempo=wish.tempo,
        key=wish.key,
        seed=making.seed,
        format=melody_pb2.AUDIO_FORMAT_FLAC,
    )


def _sung(making: Making, words: Words) -> melody_pb2.ComposeConfig:
    """Music that has a note for each syllable, and all that notes are good for."""
    config = _free(making)
    config.artifacts.extend(_ARTIFACTS)
    for kind, lines in words.sections():
        if kind != "intro" and not config.sections:
            # The band begins before the voice does.
            config.sections.add(kind="intro")
        config.sections.add(
            kind=kind, lines=[melody_pb2.Line(syllables=line.syllables) for line in lines]
        )
    return config


async def _until_played(making: Making, config: melody_pb2.ComposeConfig) -> _Music:
    return await making.patience.until_done("melody", lambda: _played(making, config))


async def _played(making: Making, config: melody_pb2.ComposeConfig) -> _Music:
    call = making.upstreams.melody.Compose(_messages(config), metadata=making.context.metadata())
    music = _Music()
    async with aclosing(answers(call)) as pieces:
        async for piece in pieces:
            if piece.HasField("progress"):
                making.reached(piece.progress.done)
            music.add(piece)
    if not music.finished:
        raise Internal("The melody service ended its answer too soon.")
    return music


async def _messages(
    config: melody_pb2.ComposeConfig,
) -> AsyncIterator[melody_pb2.ComposeRequest]:
    yield melody_pb2.ComposeRequest(config=config)


def _score(score: melody_pb2.Score) -> Score:
    return Score(
        tuple(
            tuple(Note(note.pitch, note.start, note.end) for note in line.notes)
            for line in score.lines
        )
    )
