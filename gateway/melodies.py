"""Pieces of music: requests -> the contract, and the contract's pieces -> files and events."""

import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from gateway.archive import Archive
from gateway.generation import new_id
from gateway.schemas.melody import (
    MelodyArtifact,
    MelodyAudioDelta,
    MelodyCreated,
    MelodyDone,
    MelodyFormat,
    MelodyProgress,
    MelodyRequest,
    SoundRequest,
)
from gateway.streaming import event
from orfeon.api.melody.v1 import melody_pb2
from services.runtime.errors import Internal, InvalidRequest

Pieces = AsyncGenerator[melody_pb2.ComposeResponse, None]

_AUDIO: "dict[MelodyFormat, melody_pb2.AudioFormat.ValueType]" = {
    "mp3": melody_pb2.AUDIO_FORMAT_MP3,
    "wav": melody_pb2.AUDIO_FORMAT_WAV,
    "flac": melody_pb2.AUDIO_FORMAT_FLAC,
    "ogg": melody_pb2.AUDIO_FORMAT_OGG,
    # Exact, and many times as fast to encode: there are five files of sound.
    "zip": melody_pb2.AUDIO_FORMAT_FLAC,
}
_ARTIFACTS: "dict[MelodyFormat, tuple[melody_pb2.ArtifactKind.ValueType, ...]]" = {
    "midi": (melody_pb2.ARTIFACT_KIND_MIDI,),
    "musicxml": (melody_pb2.ARTIFACT_KIND_MUSICXML,),
    "zip": (
        melody_pb2.ARTIFACT_KIND_MIDI,
        melody_pb2.ARTIFACT_KIND_MUSICXML,
        melody_pb2.ARTIFACT_KIND_STEMS,
        melody_pb2.ARTIFACT_KIND_SCORE,
    ),
}
#: Formats that are one of the artifacts: under which name it comes.
_NAMES: dict[MelodyFormat, str] = {"midi": "melody.mid", "musicxml": "melody.musicxml"}
_SCORE = "score.json"

#: Fields of the contract that follow from one of ours.
_PARAMS: dict[str | None, str] = dict.fromkeys(("artifacts", "silent"), "response_format")

#: Fields that have one name here and in the contract.
_FIELDS = ("genre", "mood", "prompt", "key", "tempo", "seed")
_SAMPLING = ("temperature", "top_k", "top_p", "guidance")


def melody_config(body: MelodyRequest, file_format: MelodyFormat) -> melody_pb2.ComposeConfig:
    """The piece that is asked for, in the contract's words."""
    return melody_pb2.ComposeConfig(
        model=body.model or "",
        task=melody_pb2.TASK_MUSIC,
        duration_seconds=body.duration,
        sections=[
            melody_pb2.Section(
                kind=section.kind,
                lines=[melody_pb2.Line(syllables=count) for count in section.lines],
            )
            for section in body.sections
        ],
        format=_AUDIO.get(file_format, melody_pb2.AUDIO_FORMAT_UNSPECIFIED),
        artifacts=_ARTIFACTS.get(file_format, ()),
        silent=file_format in _NAMES,
        **{name: getattr(body, name) for name in _FIELDS + _SAMPLING},
    )


def sound_config(body: SoundRequest, *, effect: bool) -> melody_pb2.ComposeConfig:
    """The sound that is asked for: an `effect`, or music where no model can make one."""
    influence = body.prompt_influence
    return melody_pb2.ComposeConfig(
        model=body.model_id or "",
        task=melody_pb2.TASK_SOUND if effect else melody_pb2.TASK_MUSIC,
        prompt=body.text,
        duration_seconds=body.duration_seconds,
        guidance=None if influence is None else 10 * influence,
    )


async def file_of(
    pieces: Pieces, file_format: MelodyFormat, headers: dict[str, str]
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file, as they come; for `zip`, once all is there.

    `headers` are told what is being played before the first bytes. Raises `InvalidRequest` for
    notes that the model does not write.
    """
    if file_format == "zip":
        whole = _zip(pieces, headers)
        async with aclosing(whole):
            async for data in whole:
                yield data
        return
    name = _NAMES.get(file_format)
    found = name is None
    async with aclosing(pieces):
        async for piece in _complete(pieces):
            if piece.HasField("started"):
                headers |= _headers(piece.started)
            elif piece.HasField("artifact") and piece.artifact.name == name:
                found = True
                yield piece.artifact.data
            elif piece.HasField("audio") and name is None:
                yield piece.audio
    if not found:
        raise InvalidRequest(
            "This model writes no notes; ask for mp3, wav, flac or ogg.", param="response_format"
        )


async def events_of(pieces: Pieces) -> AsyncGenerator[bytes, None]:
    """The events about a piece, as they come."""
    started = melody_pb2.Started()
    async with aclosing(pieces):
        async for piece in _complete(pieces):
            match piece.WhichOneof("event"):
                case "started":
                    started = piece.started
                    yield event(_created(started))
                case "progress":
                    progress: MelodyProgress = {
                        "type": "melody.progress",
                        "progress": round(piece.progress.done, 4),
                    }
                    yield event(progress)
                case "audio":
                    delta: MelodyAudioDelta = {
                        "type": "melody.audio.delta",
                        "audio": _base64(piece.audio),
                    }
                    yield event(delta)
                case "artifact":
                    yield event(_artifact(piece.artifact.name, piece.artifact.data))
                case "score":
                    yield event(_artifact(_SCORE, _score(started, piece.score)))
                case "finished":
                    seconds = piece.finished.duration_seconds
                    done: MelodyDone = {
                        "type": "melody.done",
                        "usage": {"type": "duration", "seconds": seconds},
                    }
                    yield event(done)


async def _zip(pieces: Pieces, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
    started = melody_pb2.Started()
    with Archive() as archive:
        async with aclosing(pieces):
            async for piece in _complete(pieces):
                match piece.WhichOneof("event"):
                    case "started":
                        started = piece.started
                        headers |= _headers(started)
                    case "audio":
                        archive.add("melody.flac", piece.audio)
                    case "artifact":
                        archive.add(piece.artifact.name, piece.artifact.data)
                    case "score":
                        archive.add(_SCORE, _score(started, piece.score))
        packed = archive.pieces()
        async with aclosing(packed):
            async for data in packed:
                yield data


async def _complete(pieces: Pieces) -> Pieces:
    """The pieces; raises `Internal` where the last is missing."""
    finished = False
    try:
        async for piece in pieces:
            finished = piece.HasField("finished")
            yield piece
    except InvalidRequest as error:
        error.param = _PARAMS.get(error.param, error.param)
        raise
    if not finished:
        raise Internal("The service ended its answer too soon.")


def _headers(started: melody_pb2.Started) -> Mapping[str, str]:
    headers = {
        "x-melody-seed": str(started.seed),
        "x-melody-duration": f"{started.duration_seconds:.6g}",
    }
    if started.tempo:
        headers["x-melody-tempo"] = f"{started.tempo:.6g}"
    if started.key:
        headers["x-melody-key"] = started.key
    return headers


def _created(started: melody_pb2.Started) -> MelodyCreated:
    return {
        "type": "melody.created",
        "id": new_id("melody-"),
        "created": int(time.time()),
        "model": started.model,
        "genre": started.genre or None,
        "seed": started.seed,
        "duration": started.duration_seconds,
        "tempo": started.tempo or None,
        "key": started.key or None,
    }


def _artifact(name: str, data: bytes) -> MelodyArtifact:
    return {"type": "melody.artifact", "name": name, "data": _base64(data)}


def _score(started: melody_pb2.Started, score: melody_pb2.Score) -> bytes:
    """Where each line is sung, as JSON; times are in seconds, pitches MIDI numbers."""
    lines = [
        {
            "section": line.section,
            "notes": [
                {"pitch": note.pitch, "start": round(note.start, 4), "end": round(note.end, 4)}
                for note in line.notes
            ],
        }
        for line in score.lines
    ]
    about = {
        "genre": started.genre or None,
        "seed": started.seed,
        "duration": started.duration_seconds,
        "tempo": started.tempo or None,
        "key": started.key or None,
    }
    return json.dumps({**about, "lines": lines}, indent=2).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
