"""One evaluation: clips are heard clean, then as they suffer, and all is summed up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.emotion.corpora import Recording, Skipped
from services.emotion.evaluation.answers import Track, asked
from services.emotion.evaluation.conditions import Condition
from services.emotion.evaluation.cost import measure
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.result import About, Result, summed_up
from services.emotion.evaluation.robustness import robustness
from services.emotion.evaluation.subject import Subject

#: Clips by which time and memory are measured.
_TIMED = 100


@dataclass(frozen=True)
class Extent:
    """How much is done: `clips` are played under each of `conditions`; `cost` measures time too."""

    conditions: Sequence[Condition] = ()
    clips: int = 0
    cost: bool = False
    seed: int = 0


def evaluate(
    about: About, subject: Subject, recordings: Sequence[Recording], extent: Extent, track: Track
) -> Result:
    """Raises `EvaluationError`."""
    skipped: list[Skipped] = []
    answers = asked(
        recordings,
        subject.labels,
        subject.chosen,
        skipped,
        track(recordings, f"{about.title}, {about.model}"),
        seed=extent.seed,
    )
    if len(set(answers.truth.tolist())) < 2:
        raise EvaluationError(
            f"All clips that can be read are labelled {answers.labels[answers.truth[0]]}. Add some "
            "of another label: with one there is nothing to tell apart."
        )
    found = robustness(subject, answers, extent.conditions, extent.clips, track, extent.seed)
    timed = [recording.path for recording in spread(answers.recordings, _TIMED)]
    return replace(
        summed_up(about, subject, answers, extent.seed),
        # Names alone: where somebody keeps them is nobody's business.
        skipped=[f"{each.path.name}: {each.reason}" for each in skipped],
        robustness=found,
        cost=measure(about.model, timed) if extent.cost else None,
    )


def spread(recordings: Sequence[Recording], count: int) -> list[Recording]:
    """At most so many of them, of every label and speaker as evenly as that goes."""
    ordered = sorted(recordings, key=lambda each: (each.label, each.speaker, each.path))
    if len(ordered) <= count:
        return ordered
    return [ordered[int(at)] for at in np.linspace(0, len(ordered) - 1, count)]
