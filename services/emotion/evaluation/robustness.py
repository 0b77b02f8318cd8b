"""How much is still told right of clips that have suffered, beside the same clips before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.emotion.corpora import Recording
from services.emotion.evaluation.answers import Answers, Track, asked
from services.emotion.evaluation.conditions import Condition
from services.emotion.evaluation.subject import Subject


@dataclass(frozen=True)
class Suffered:
    """Accuracy under one condition, and of the same clips without it."""

    family: str
    kind: str
    level: float
    unit: str
    clips: int
    accuracy: float
    clean: float


def robustness(
    subject: Subject,
    clean: Answers,
    conditions: Sequence[Condition],
    clips: int,
    track: Track,
    seed: int = 0,
) -> list[Suffered]:
    """Every condition on so many clips.

    Each kind of noise gets other clips, so that all kinds together cover the corpus; every strength
    of one kind gets the same, so that a curve falls for no other reason.
    """
    order = np.random.default_rng(seed).permutation(len(clean.recordings))
    kinds = list(dict.fromkeys((condition.family, condition.kind) for condition in conditions))
    clips = min(clips, len(order))
    found = []
    for condition in conditions:
        start = kinds.index((condition.family, condition.kind)) * clips
        chosen = np.sort(np.take(order, range(start, start + clips), mode="wrap"))
        found.append(_suffered(subject, clean, condition, chosen, track, seed))
    return found


def _suffered(
    subject: Subject,
    clean: Answers,
    condition: Condition,
    chosen: NDArray[np.int64],
    track: Track,
    seed: int,
) -> Suffered:
    recordings: list[Recording] = [clean.recordings[at] for at in chosen]
    what = f"{condition.kind} {condition.level:g} {condition.unit}"
    tracked = track(recordings, what)
    # They were readable a moment ago.
    answers = asked(recordings, clean.labels, subject.chosen, [], tracked, condition.degrade, seed)
    return Suffered(
        condition.family,
        condition.kind,
        condition.level,
        condition.unit,
        len(chosen),
        float(answers.right.mean()),
        float(clean.right[chosen].mean()),
    )


def at(suffered: Sequence[Suffered], family: str, level: float) -> Suffered | None:
    """All kinds of a family together at one level, or None where it was not tried."""
    of_level = [each for each in suffered if each.family == family and each.level == level]
    if not of_level:
        return None
    weights = np.array([each.clips for each in of_level])
    accuracy = np.average([each.accuracy for each in of_level], weights=weights)
    clean = np.average([each.clean for each in of_level], weights=weights)
    unit = of_level[0].unit
    return Suffered(
        family, "all kinds", level, unit, int(weights.sum()), float(accuracy), float(clean)
    )
