"""Recordings to learn from: the RAVDESS corpus of acted English speech."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: RAVDESS's third number -> our word. Calm (02) and surprised (08) are left out: calm is RAVDESS's
#: second, stronger neutral and no other corpus has it, and surprise is neither good nor bad.
EMOTIONS = {
    "01": "neutral",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
}
LABELS = list(EMOTIONS.values())


class CorpusError(Exception):
    """A folder that is not the corpus it should be."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip, what is heard in it and who speaks."""

    path: Path
    label: str
    speaker: int


def ravdess(folder: Path) -> list[Recording]:
    """The clips of `LABELS` below `folder`, each once, in the order of their names.

    RAVDESS writes everything into the name: modality-channel-emotion-intensity-statement-
    repetition-actor. Two clips of actor 7 are the same file under two names; the second is left
    out. Raises `CorpusError`.
    """
    names = (path for path in folder.rglob("03-01-*") if path.suffix in (".flac", ".wav"))
    recordings = [
        Recording(path, EMOTIONS[part[2]], int(part[6]))
        for path in sorted(names)
        if len(part := path.stem.split("-")) == 7 and part[2] in EMOTIONS
    ]
    if not recordings:
        raise CorpusError(f"{folder} holds no clip of RAVDESS, such as 03-01-05-02-01-01-12.wav.")
    return list(_distinct(recordings))


def _distinct(recordings: list[Recording]) -> Iterable[Recording]:
    seen: set[bytes] = set()
    for recording in recordings:
        digest = hashlib.sha256(recording.path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield recording
