"""Clips are played to models, and what they answer is kept beside what it should have been."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from services.emotion.corpora import Recording, Skipped, listened
from services.emotion.engine import Clip, EmotionModel, Samples
from services.emotion.evaluation.errors import EvaluationError
from services.runtime.worker import Cancellation

#: Goes through recordings and shows how far it is; the text says what for.
Track = Callable[[Sequence[Recording], str], Iterable[Recording]]
#: Which model is asked about a recording: one that has not heard its speaker.
Chosen = Callable[[Recording], EmotionModel]
Degradation = Callable[[Samples, Generator], Samples]

#: What `given` says where a model gave no answer.
NONE = -1


@dataclass(frozen=True, eq=False)
class Answers:
    """`truth` holds indices into `labels` and `probabilities` has shape `(clips, labels)`.

    A clip in which a model found nothing to classify has a row of zeros.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    speakers: NDArray[np.str_]
    recordings: tuple[Recording, ...]

    @property
    def given(self) -> NDArray[np.int64]:
        """The best label of every clip; `NONE` where there was no answer. An answer is no guess."""
        best = self.probabilities.argmax(axis=1)
        return np.where(self.probabilities.any(axis=1), best, NONE)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which clips were told right."""
        return np.asarray(self.given == self.truth)


def plain(samples: Samples, _random: Generator) -> Samples:
    """No degradation."""
    return samples


def asked(
    recordings: Sequence[Recording],
    labels: Sequence[str],
    chosen: Chosen,
    skipped: list[Skipped],
    tracked: Iterable[Recording],
    degrade: Degradation = plain,
    seed: int = 0,
) -> Answers:
    """Plays every recording. `tracked` is `recordings`, perhaps with a progress bar around.

    What cannot be read joins `skipped`. Raises `EvaluationError` for labels that the models do not
    have, and where no clip can be read.
    """
    if strange := sorted({recording.label for recording in recordings} - set(labels)):
        raise EvaluationError(
            f"The data has labels that the model does not: {', '.join(strange)}. It has "
            f"{', '.join(labels)}. Leave them out, such as with --drop {strange[0]}, or --merge "
            f"{strange[0]}={labels[0]}."
        )
    place = {label: at for at, label in enumerate(labels)}
    heard: list[Recording] = []
    rows: list[NDArray[np.float64]] = []
    for recording, samples in listened(tracked, skipped):
        # By clip: the same clip suffers the same whatever came before it.
        random = np.random.default_rng([seed, len(heard)])
        clip = Clip(degrade(samples, random))
        row = np.zeros(len(labels))
        for score in chosen(recording).classify(clip, Cancellation()):
            row[place[score.label]] = score.score
        heard.append(recording)
        rows.append(row)
    if not heard:
        raise EvaluationError(
            f"None of the {len(skipped)} clips can be read; the first is {skipped[0].path}: "
            f"{skipped[0].reason}"
        )
    return Answers(
        tuple(labels),
        np.array([place[recording.label] for recording in heard]),
        np.stack(rows),
        np.array([recording.speaker for recording in heard]),
        tuple(heard),
    )
