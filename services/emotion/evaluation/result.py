"""What evaluations found: what metrics.json holds, and what the report is written from."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.emotion.evaluation.answers import Answers
from services.emotion.evaluation.calibration import (
    Calibration,
    at_temperature,
    calibration,
    rescaled_by_others,
)
from services.emotion.evaluation.cost import Cost
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.figures import (
    Figures,
    Intervals,
    by_speaker,
    figures,
    intervals,
)
from services.emotion.evaluation.robustness import Suffered
from services.emotion.evaluation.subject import Subject


@dataclass(frozen=True)
class About:
    """`name` begins the names of the plots; `method` says in a sentence what was done."""

    name: str
    title: str
    model: str
    method: str


@dataclass(frozen=True)
class Calibrations:
    """Before and after temperature scaling, and in words what either is."""

    before_is: str
    before: Calibration
    after_is: str
    after: Calibration


@dataclass(frozen=True)
class Fold:
    """A part of the speakers, answered by what was fitted on the others."""

    speakers: list[str]
    clips: int
    accuracy: float


@dataclass(frozen=True)
class Result:
    """One evaluation. `speakers` tells clips and accuracy of each, `skipped` what was not read."""

    about: About
    figures: Figures
    intervals: Intervals
    calibration: Calibrations
    speakers: dict[str, tuple[int, float]]
    folds: list[Fold] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    robustness: list[Suffered] = field(default_factory=list)
    cost: Cost | None = None


@dataclass(frozen=True)
class Goal:
    """Something promised, and whether it is kept."""

    what: str
    wanted: str
    found: str
    met: bool


@dataclass(frozen=True)
class Report:
    """All of one run. `fast` figures come from a few clips and say little."""

    fast: bool
    seed: int
    results: list[Result]
    goals: list[Goal] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_bytes(_ADAPTER.dump_json(self, indent=1) + b"\n")

    @classmethod
    def load(cls, path: Path) -> "Report":
        """What `save` wrote. Raises `EvaluationError`."""
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except ValidationError as error:
            raise EvaluationError(f"{path} holds no evaluation.") from error


_ADAPTER = TypeAdapter(Report)


def summed_up(about: About, subject: Subject, answers: Answers, seed: int) -> Result:
    """Everything that follows from the answers alone."""
    return Result(
        about=about,
        figures=figures(answers),
        intervals=intervals(answers, seed),
        calibration=_calibrations(subject, answers),
        speakers=by_speaker(answers),
        folds=_folds(subject, answers),
    )


def _calibrations(subject: Subject, answers: Answers) -> Calibrations:
    given = calibration(answers.probabilities, answers.truth)
    if not subject.temperatures:
        rescaled = calibration(rescaled_by_others(answers), answers.truth)
        return Calibrations(
            "as the model answers", given, "at a temperature fitted on the other speakers", rescaled
        )
    raw = answers.probabilities.copy()
    for at, speaker in enumerate(answers.speakers):
        raw[at] = at_temperature(raw[at : at + 1], 1 / subject.temperatures[speaker])[0]
    return Calibrations(
        "without temperature", calibration(raw, answers.truth), "as the model answers", given
    )


def _folds(subject: Subject, answers: Answers) -> list[Fold]:
    found = []
    for speakers in subject.folds:
        own = [str(speaker) in speakers for speaker in answers.speakers]
        if any(own):
            found.append(Fold(list(speakers), sum(own), float(answers.right[own].mean())))
    return found
