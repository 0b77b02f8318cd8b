"""A recipe on what it was not fitted on: voices that were left out, or a whole corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.emotion.corpora import Recording
from services.emotion.corpora.labels import labels_of
from services.emotion.engine import EmotionModel
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.subject import Subject


@dataclass(frozen=True)
class Fitted:
    """A model that has heard nothing but what it was fitted on, and its temperature."""

    model: EmotionModel
    temperature: float


class Fit(Protocol):
    """How a model is fitted: everything, choices of strength and temperature too, by these alone.

    `title` is for whoever looks on.
    """

    def __call__(self, recordings: Sequence[Recording], title: str) -> Fitted: ...


def leave_speakers_out(
    fit: Fit, recordings: Sequence[Recording], count: int, also: Sequence[Recording] = ()
) -> Subject:
    """Everybody is answered by a model that was fitted on others; `also` is always fitted on.

    Speakers who follow one another share one of `count` folds: where a corpus alternates women and
    men, as RAVDESS does, every fold has as many of each. Raises `EvaluationError` for recordings
    of unknown or too few speakers.
    """
    if unknown := sum(not recording.speaker for recording in recordings):
        raise EvaluationError(
            f"Nobody knows who speaks in {unknown} of {len(recordings)} clips, so no speaker can "
            "be left out. Name speakers in a table, or put their clips into folders of their own: "
            "label/speaker/clip.wav."
        )
    speakers = np.unique([recording.speaker for recording in recordings])
    if len(speakers) < 2:
        raise EvaluationError(
            f"All clips are of one speaker, {speakers[0]}: nobody is left to learn from. Add "
            "clips of others, or leave --folds away."
        )
    parts = [tuple(map(str, part)) for part in np.array_split(speakers, min(count, len(speakers)))]
    fitted: dict[str, Fitted] = {}
    for place, part in enumerate(parts):
        others = [each for each in recordings if each.speaker not in part]
        heads = _fitted(fit, [*others, *also], recordings, f"Fold {place + 1} of {len(parts)}")
        fitted |= dict.fromkeys(part, heads)
    return Subject(
        labels_of(recordings),
        lambda recording: fitted[recording.speaker].model,
        {speaker: each.temperature for speaker, each in fitted.items()},
        tuple(parts),
    )


def leave_corpus_out(
    fit: Fit, recordings: Sequence[Recording], tested: Sequence[Recording]
) -> Subject:
    """All of `tested` is answered by a model that was fitted on `recordings`.

    Raises `EvaluationError` for labels or speakers that both share in part only.
    """
    if shared := {each.speaker for each in recordings if each.speaker} & {
        each.speaker for each in tested
    }:
        raise EvaluationError(
            f"{', '.join(sorted(shared))} would be learnt from and tested with. --test takes a "
            "corpus of other speakers; --folds leaves speakers of one corpus out."
        )
    fitted = _fitted(fit, list(recordings), tested, "Fitting")
    temperatures = dict.fromkeys((each.speaker for each in tested), fitted.temperature)
    return Subject(labels_of(recordings), lambda _recording: fitted.model, temperatures)


def _fitted(
    fit: Fit, recordings: list[Recording], tested: Sequence[Recording], title: str
) -> Fitted:
    """Raises `EvaluationError` where there is nothing to learn a label from."""
    have = {recording.label for recording in recordings}
    if lacking := sorted({recording.label for recording in tested} - have):
        raise EvaluationError(
            f"Nothing that is learnt from is labelled {', '.join(lacking)}, which is tested. Add "
            f"clips of other speakers, or leave it out: --drop {lacking[0]}."
        )
    return fit(recordings, title)
