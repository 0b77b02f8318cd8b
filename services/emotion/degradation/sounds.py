"""Recorded noise to put behind voices, by kind: ESC-10, or any folders of recordings.

ESC-10 (Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015) starts a
file's name with its fold. Training takes some of the folds and evaluation another, so that no head
is tested with noise that it knows.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from services.emotion.corpora.decoding import Skipped, listened
from services.emotion.corpora.recording import CorpusError, Recording, clips
from services.emotion.engine import Samples

#: The folds to train with, and the one to evaluate with.
TRAINING_FOLDS = (1, 2, 3)
EVALUATION_FOLDS = (4,)

#: Weaker than this is no sound, with full scale at 1: ESC-10 fills short events up with nothing.
_SILENCE = 1e-3

#: Recordings by what is heard in them.
Sounds = dict[str, list[Samples]]


def sounds(folder: Path, folds: Collection[int] = TRAINING_FOLDS) -> Sounds:
    """The recordings of these folds, by the name of their folder, without silence at their ends.

    A recording whose name starts with no number belongs to every fold. Raises `CorpusError` where
    there is none.
    """
    found: Sounds = {}
    chosen = [Recording(path, path.parent.name) for path in clips(folder) if _in(path, folds)]
    skipped: list[Skipped] = []
    for recording, samples in listened(chosen, skipped):
        loud = np.flatnonzero(np.abs(samples) > _SILENCE)
        if loud.size:
            found.setdefault(recording.label, []).append(samples[loud[0] : loud[-1] + 1])
    if not found:
        raise CorpusError(
            f"{folder} holds no noise of the folds {', '.join(map(str, folds))}. Name a folder "
            "with a folder of recordings for each kind of noise, such as rain/1-17367-A.ogg."
        )
    return found


def _in(path: Path, folds: Collection[int]) -> bool:
    fold, dash, _ = path.name.partition("-")
    return not (dash and fold.isdigit()) or int(fold) in folds
