"""Which clips are trained on, which choose the best checkpoint, and which test it."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from services.emotion.corpora import Recording
from services.emotion.training.errors import Misuse
from services.emotion.training.recipe import Split

TRAIN, VALIDATION, TEST = "train", "validation", "test"

#: Clips that each label must have: one for each part.
FEWEST = 3


def split(
    recordings: Sequence[Recording], how: Split, held_out: float, seed: int, *, choosing: bool
) -> tuple[list[Recording], list[str]]:
    """Every recording with the part that it belongs to in `split`, and what to warn of.

    With `choosing` there is a part to choose the best checkpoint by; without, it is trained on,
    or where nothing else tests, tested with. A split that the data brings wins; where it holds out
    too little, a part of what is trained on is taken. Otherwise nobody who speaks in one part
    speaks in another, unless `how` is random or nobody knows who speaks. Labels are spread over the
    parts as evenly as speakers allow. Raises `Misuse`.
    """
    check(recordings)
    warned: list[str] = []
    groups = _groups(recordings, how, warned)
    needed = VALIDATION if choosing else TEST
    if any(recording.split for recording in recordings):
        parts = [recording.split or TRAIN for recording in recordings]
        if not choosing:
            parts = _without_choosing(parts)
        if needed not in parts:
            inside = [at for at, part in enumerate(parts) if part == TRAIN]
            own = [groups[at] for at in inside]
            for at in _folds([recordings[at] for at in inside], own, held_out, seed)[0]:
                parts[inside[at]] = needed
        _warn_of_shared_speakers(recordings, parts, warned)
    else:
        parts = [TRAIN] * len(recordings)
        # One fold at least is trained on: of two speakers there is but one to hold out.
        folds = _folds(recordings, groups, held_out, seed)[:-1]
        names = (VALIDATION, TEST) if choosing else (TEST,)
        for name, fold in zip(names, folds, strict=False):
            for at in fold:
                parts[at] = name
    done = [
        replace(recording, split=part) for recording, part in zip(recordings, parts, strict=True)
    ]
    _check_parts(done)
    if TEST not in parts:
        warned.append(
            "Nothing is left to test with: the figures are of the clips that the best checkpoint "
            "was chosen by, which flatters it."
        )
    return done, warned


def check(recordings: Sequence[Recording]) -> None:
    """Raises `Misuse` for less than two labels, and for one that has too few clips."""
    counts = Counter(recording.label for recording in recordings)
    if len(counts) < 2:
        raise Misuse(
            f"Every clip is labelled '{next(iter(counts), '')}'. A classifier needs clips of two "
            "labels at least."
        )
    label, count = min(counts.items(), key=lambda item: item[1])
    if count < FEWEST:
        raise Misuse(
            f"The label '{label}' has {count} clip{'s' * (count > 1)}, and {FEWEST} are the "
            "fewest. Record more, --merge it into another label or --drop it."
        )


def _groups(recordings: Sequence[Recording], how: Split, warned: list[str]) -> list[str]:
    """What must not be torn apart: the clips of a speaker, or each clip for itself."""
    alone = [str(at) for at in range(len(recordings))]
    unknown = sum(not recording.speaker for recording in recordings)
    if how == "random" or unknown == len(recordings):
        why = "--split random" if how == "random" else "Nobody knows who speaks in these clips"
        warned.append(
            f"{why}: the same voices may be trained on and tested with. Figures of such a split "
            "have flattered classifiers of acted speech by 15 to 30 points; expect much less of "
            "voices that the model has not heard."
        )
        return alone
    if len({recording.speaker for recording in recordings}) == 1:
        raise Misuse(
            "All clips are of one speaker, and nobody is left to test with. Add other speakers, "
            "or accept figures that flatter with --split random."
        )
    if unknown:
        warned.append(
            f"Nobody knows who speaks in {unknown} of {len(recordings)} clips; their speakers may "
            "be in several parts."
        )
    pairs = zip(recordings, alone, strict=True)
    return [recording.speaker or f"\0{clip}" for recording, clip in pairs]


def _folds(
    recordings: Sequence[Recording], groups: Sequence[str], held_out: float, seed: int
) -> list[list[int]]:
    """Parts of about that share, no group in two of them: two parts at least.

    Raises `Misuse` where the clips are too few to be parted.
    """
    labels = [recording.label for recording in recordings]
    # More parts than any label has clips would be too many.
    most = min(len(set(groups)), max(Counter(labels).values(), default=0))
    if most < 2:
        raise Misuse(
            "Of the clips to train on too few are left to hold some out; add clips to the split "
            f"'{TRAIN}', by other speakers too."
        )
    count = max(2, min(round(1 / held_out), most))
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # That a label has fewer clips than there are folds: it is spread as far as it goes.
        warnings.simplefilter("ignore", UserWarning)
        blank = np.zeros(len(labels))
        found = [held.tolist() for _, held in folds.split(blank, labels, groups)]
    return [fold for fold in found if fold]


def _without_choosing(parts: Sequence[str]) -> list[str]:
    spare = TRAIN if TEST in parts else TEST
    return [spare if part == VALIDATION else part for part in parts]


def _warn_of_shared_speakers(
    recordings: Sequence[Recording], parts: Sequence[str], warned: list[str]
) -> None:
    trained = {r.speaker for r, part in zip(recordings, parts, strict=True) if part == TRAIN}
    held = {r.speaker for r, part in zip(recordings, parts, strict=True) if part != TRAIN}
    if shared := (trained & held) - {""}:
        warned.append(
            f"The split of the data has {len(shared)} speakers both in training and held out: "
            "figures of it flatter."
        )


def _check_parts(recordings: Sequence[Recording]) -> None:
    labels = {recording.label for recording in recordings}
    trained = {recording.label for recording in recordings if recording.split == TRAIN}
    if missing := sorted(labels - trained):
        raise Misuse(
            f"No clip labelled '{missing[0]}' is left to train on: all are held out. Take another "
            "--seed, a smaller --held-out, or --split random."
        )
    if all(recording.split == TRAIN for recording in recordings):
        raise Misuse("No clip is left to hold out; add more clips.")
