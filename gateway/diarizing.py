"""Diarization: forms -> the contract, and the contract's turns -> JSON and RTTM."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.schemas.voices import Diarization
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.errors import InvalidRequest, OrfeonError

_NAMES, _REFERENCES = "known_speaker_names[]", "known_speaker_references[]"
_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]*)*;base64,", re.IGNORECASE)


def known_speakers(
    names: Sequence[str], references: Sequence[str]
) -> list[emotion_pb2.KnownSpeaker]:
    """Speakers by their names and data URLs. Raises `InvalidRequest`."""
    if len(names) != len(references):
        raise InvalidRequest(
            "Each known speaker needs a name and a reference; send as many of both.", param=_NAMES
        )
    names = [name.strip() for name in names]
    if len(set(names)) < len(names) or not all(names):
        raise InvalidRequest("Each known speaker needs a name of their own.", param=_NAMES)
    return [
        emotion_pb2.KnownSpeaker(name=name, audio=_decoded(reference, place))
        for place, (name, reference) in enumerate(zip(names, references, strict=True))
    ]


@contextmanager
def references_named() -> Iterator[None]:
    """Calls a known voice that is refused by its field of the form."""
    try:
        yield
    except OrfeonError as error:
        voice, bracket, place = (error.param or "").partition("[")
        if voice == "known" and bracket:
            error.param = f"{_REFERENCES}[{place}"
        raise


def _decoded(reference: str, place: int) -> bytes:
    head = _DATA_URL.match(reference)
    try:
        audio = base64.b64decode(reference[head.end() :], validate=True) if head else b""
    except (binascii.Error, ValueError):
        audio = b""
    if not audio:
        raise InvalidRequest(
            "A reference must be a data URL of a recording, such as data:audio/wav;base64,...",
            param=f"{_REFERENCES}[{place}]",
        )
    return audio


def diarization(answer: emotion_pb2.DiarizeResponse) -> Diarization:
    """Who speaks when, as JSON."""
    turns = [turn.speaker for turn in answer.segments]
    return {
        "task": "diarize",
        "model": answer.model,
        "duration": round(answer.duration_seconds, 3),
        "num_speakers": len(answer.speakers),
        "segments": [
            {
                "id": number,
                "speaker": turn.speaker,
                "label": turn.speaker,
                "start": round(turn.start, 3),
                "end": round(turn.end, 3),
            }
            for number, turn in enumerate(answer.segments)
        ],
        "speakers": [
            {
                "id": one.id,
                "label": one.id,
                "total_speech_duration": round(one.seconds, 3),
                "segment_count": turns.count(one.id),
            }
            for one in answer.speakers
        ],
    }


def rttm(answer: emotion_pb2.DiarizeResponse, name: str) -> str:
    """Who speaks when, in NIST's Rich Transcription Time Marked format, as that of a file."""
    file = _token(name.rpartition(".")[0] or name) or "audio"
    return "".join(
        f"SPEAKER {file} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> "
        f"{_token(turn.speaker)} <NA> <NA>\n"
        for turn in answer.segments
    )


def _token(text: str) -> str:
    """`text` without spaces, which separate the fields, and what no line can hold."""
    return "_".join("".join(c if c.isprintable() else " " for c in text).split())
