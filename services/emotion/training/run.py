"""One training, from what `--data` names to a folder that the service can load."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from services.emotion.corpora import Recording, Skipped
from services.emotion.engine import EmotionModel
from services.emotion.evaluation.answers import Answers, asked
from services.emotion.evaluation.calibration import best_temperature
from services.emotion.evaluation.result import About, summed_up
from services.emotion.evaluation.subject import Subject
from services.emotion.training.base import Base
from services.emotion.training.card import Outcome, headline
from services.emotion.training.data import Clips, load, prepare, save
from services.emotion.training.events import Events
from services.emotion.training.output import describe, staged
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights, Terms, rights_of
from services.emotion.training.splits import TEST, TRAIN, VALIDATION
from services.runtime.host import Engine
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, CUDA, Placement
from services.runtime.training.progress import bar

#: Clips without which no temperature is fitted.
_CALIBRATED = 50
#: Unreadable clips that are named one by one.
_NAMED = 20


class Learner(Protocol):
    """A way to train: what differs between the methods.

    `temperature` is None where none was fitted in training.
    """

    base: Base
    temperature: float | None

    @property
    def about(self) -> str:
        """A sentence for the model card."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the model card tells of the settings."""

    def fit(self, work: Path, staging: Path, events: Events, console: Console) -> None:
        """Trains, and writes what the engine reads into `staging`."""

    def manifest(self, staging: Path, rights: Rights, temperature: float) -> Manifest:
        """What `model.yaml` is to say of what lies in `staging`."""

    def engine(self) -> Engine[EmotionModel]:
        """What serves it."""

    def tried(self, staging: Path) -> Path:
        """Where the engine finds all files, those too that are not of this model alone."""

    def draw(self, staging: Path) -> None:
        """Writes how the training went."""


def train(
    recipe: Recipe,
    folder: Path,
    work: Path,
    registry: Registry,
    events: Events,
    console: Console,
    *,
    resume: bool,
) -> None:
    """Trains by `recipe` and makes `folder` a model that is called as the folder.

    What it takes to go on is in `work`, which may be removed afterwards; nothing is written before
    data and base are known to do. Raises `TrainingError` and, told to stop, `Interrupted`.
    """
    fresh = not work.exists()
    try:
        clips = _clips(recipe, work, console, resume=resume)
        learner = _learner(recipe, clips, registry)
        base, said = learner.base, Terms(recipe.licence, recipe.commercial_use)
        terms = Terms(base.licence, base.commercial_use)
        rights = rights_of(clips.recordings, base.name, terms, said)
    except BaseException:
        if fresh:
            shutil.rmtree(work, ignore_errors=True)
        raise
    work.mkdir(parents=True, exist_ok=True)
    recipe.save(work / "recipe.json")
    save(clips, work / "clips.csv")
    _tell(clips, events, console)
    with staged(folder) as staging:
        learner.fit(work, staging, events, console)
        outcome = _judged(recipe, clips, rights, learner, staging, console)
    events.result(folder, len(clips.part(TRAIN)), outcome.part, headline(outcome.result))


def _learner(recipe: Recipe, clips: Clips, registry: Registry) -> Learner:
    """Imported only now: torch takes seconds, and memory, and a head needs neither."""
    if recipe.method == "head":
        from services.emotion.training.head import OnEncoder

        return OnEncoder(recipe, clips, registry)
    from services.emotion.training.full import Full

    return Full(recipe, clips, registry)


def _clips(recipe: Recipe, work: Path, console: Console, *, resume: bool) -> Clips:
    if resume:
        return load(work / "clips.csv")
    return prepare(recipe, work / "data", lambda them: _tracked(them, "Listening", console))


def _tell(clips: Clips, events: Events, console: Console) -> None:
    """Says what is trained on, what was left out, and what to mind."""
    for skipped in clips.skipped[:_NAMED]:
        text = f"{skipped.path.name} cannot be read and is left out: {skipped.reason}"
        console.print(f"[yellow]{escape(text)}[/]")
        events.message(text, "warn")
    if clips.skipped:
        text = f"{len(clips.skipped)} clips cannot be read and are left out."
        console.print(f"[yellow]{text}[/]")
        events.message(text, "warn")
    for warning in clips.warnings:
        console.print(f"[bold red]Mind:[/] [red]{escape(warning)}[/]")
        events.message(warning, "warn")
    counts = [len(clips.part(part)) for part in (TRAIN, VALIDATION, TEST)]
    text = (
        f"{len(clips.labels)} labels; {counts[0]} clips to train on, {counts[1]} to choose by and "
        f"{counts[2]} to test with."
    )
    console.print(text)
    events.message(text)


def _judged(
    recipe: Recipe,
    clips: Clips,
    rights: Rights,
    learner: Learner,
    staging: Path,
    console: Console,
) -> Outcome:
    """Tries the model as it will be served, and writes all that is said of it into `staging`."""
    temperature = learner.temperature
    if temperature is None:
        plain = learner.manifest(staging, rights, 1.0)
        chosen_by = _answers(learner, plain, staging, clips, console)
        temperature = _temperature(chosen_by)
    described = learner.manifest(staging, rights, temperature)
    part = TEST if clips.part(TEST) else VALIDATION
    answers = _answers(learner, described, staging, clips, console, part)
    subject = Subject(clips.labels, _nobody, dict.fromkeys(answers.speakers.tolist(), temperature))
    about = About(staging.name, staging.name, staging.name, "")
    result = summed_up(about, subject, answers, recipe.seed)
    learner.draw(staging)
    outcome = Outcome(
        staging.name, recipe, learner.base.name, rights, clips, part, temperature, result,
        learner.about, learner.settings, curve=(staging / "loss.png").exists(),
    )  # fmt: skip
    describe(staging, described, outcome)
    return outcome


def _temperature(answers: Answers) -> float:
    """What makes it as sure as it is right; 1 where too few clips, or no mistakes, tell of that."""
    if len(answers.truth) < _CALIBRATED or answers.right.all():
        return 1.0
    return round(best_temperature(answers.probabilities, answers.truth), 4)


def _answers(
    learner: Learner,
    described: Manifest,
    folder: Path,
    clips: Clips,
    console: Console,
    part: str = VALIDATION,
) -> Answers:
    engine = learner.engine()
    device = f"{CUDA}:0" if CUDA in engine.kinds else CPU
    placement = Placement(((device, described.memory_bytes),))
    model = engine.load(described, learner.tried(folder), placement)
    recordings = clips.part(part)
    skipped: list[Skipped] = []
    try:
        tracked = _tracked(recordings, "Testing", console)
        return asked(recordings, clips.labels, lambda _: model, skipped, tracked)
    finally:
        model.close()


def _nobody(_recording: Recording) -> EmotionModel:
    raise AssertionError("The answers are there already.")


def _tracked(recordings: Sequence[Recording], title: str, console: Console) -> Iterable[Recording]:
    with bar(console, title, len(recordings), counted=True) as shown:
        for recording in recordings:
            yield recording
            shown.advance(1)
