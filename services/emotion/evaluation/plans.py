"""From what somebody wishes to a report: of a model as it is served, or of its recipe."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from services.emotion.corpora import CorpusError, Recording, Skipped, listened
from services.emotion.corpora.recording import clips
from services.emotion.degradation import sounds
from services.emotion.degradation.sounds import EVALUATION_FOLDS
from services.emotion.engine import EmotionModel, Samples
from services.emotion.evaluation.conditions import NOISE, Condition, conditions
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.held_out import Fit, leave_corpus_out, leave_speakers_out
from services.emotion.evaluation.progress import Bars
from services.emotion.evaluation.recipe import recipe_of
from services.emotion.evaluation.result import About, Report
from services.emotion.evaluation.run import Extent, evaluate, spread
from services.emotion.evaluation.subject import Subject, manifest_of, registry_of, served
from services.emotion.settings import EmotionSettings
from services.runtime.manifest import Manifest

#: A fast run: clips in all, clips under each condition, and the one strength of noise.
_FAST_CLIPS, _FAST_EACH, _FAST_SNR = 48, 8, 10.0


@dataclass(frozen=True)
class Sounding:
    """What is put behind clips: folders of `noise` by kind, and of `voices` to make babble of.

    `clips` are played under each condition; 0 for no test of robustness.
    """

    noise: Path | None = None
    voices: Path | None = None
    clips: int = 120


@dataclass(frozen=True)
class Wish:
    """A model by its name, empty for the default, and the recordings to ask it about.

    With `folds`, its head is fitted anew without those who are asked; with `tested`, on
    `recordings`, and asked about `tested`.
    """

    model: str
    recordings: list[Recording]
    tested: list[Recording]
    folds: int
    sounding: Sounding
    cost: bool
    fast: bool
    seed: int


def evaluated(wish: Wish, settings: EmotionSettings, console: Console) -> Report:
    """What somebody wished for. Raises `EvaluationError` and `CorpusError`."""
    if wish.folds and wish.tested:
        raise EvaluationError("Give --folds or --test: either leaves out what is asked about.")
    if wish.fast:
        few = spread(wish.recordings, _FAST_CLIPS), spread(wish.tested, _FAST_CLIPS)
        wish = replace(wish, recordings=few[0], tested=few[1])
    registry = registry_of(settings)
    manifest = manifest_of(wish.model, registry)
    extent = extent_of(wish.sounding, cost=wish.cost, fast=wish.fast, seed=wish.seed)
    with ExitStack() as stack:
        bars = stack.enter_context(Bars(console))
        if wish.folds or wish.tested:
            every = [*wish.recordings, *wish.tested]
            fit = stack.enter_context(
                recipe_of(manifest, registry, settings, every, wish.sounding.noise, bars)
            )
            about, subject = _held_out(wish, manifest, fit)
        else:
            model = stack.enter_context(served(manifest, registry, settings))
            about, subject = _as_served(manifest, model)
        result = evaluate(about, subject, wish.tested or wish.recordings, extent, bars)
    return Report(wish.fast, wish.seed, [result])


def _as_served(manifest: Manifest, model: EmotionModel) -> tuple[About, Subject]:
    about = About(
        manifest.name.replace("/", "--"),
        "As served",
        manifest.name,
        "The model as it is served. Where it was trained on these voices, the figures flatter it.",
    )
    return about, Subject(manifest.labels, lambda _recording: model)


def _held_out(wish: Wish, manifest: Manifest, fit: Fit) -> tuple[About, Subject]:
    name = manifest.name.replace("/", "--")
    if wish.tested:
        about = About(
            f"{name}-corpus",
            "leave-corpus-out",
            manifest.name,
            "The head was fitted anew on one part of the data and asked about the other.",
        )
        return about, leave_corpus_out(fit, wish.recordings, wish.tested)
    about = About(
        f"{name}-speakers",
        "leave-speakers-out",
        manifest.name,
        "Whoever speaks, the head that answers was fitted on the other folds alone.",
    )
    return about, leave_speakers_out(fit, wish.recordings, wish.folds)


def extent_of(sounding: Sounding, *, cost: bool, fast: bool, seed: int) -> Extent:
    """What to do beside listening to clean clips. Raises `CorpusError`."""
    if not sounding.clips:
        return Extent(cost=cost, seed=seed)
    noise = sounds(sounding.noise, EVALUATION_FOLDS) if sounding.noise else {}
    every = conditions(noise, _voices(sounding.voices) if sounding.voices else [])
    if fast:
        return Extent(_few(every), min(_FAST_EACH, sounding.clips), cost, seed)
    return Extent(every, sounding.clips, cost, seed)


def _few(every: list[Condition]) -> list[Condition]:
    """One strength of everything."""
    middle = [each for each in every if each.family != NOISE or each.level == _FAST_SNR]
    return list({(each.family, each.kind): each for each in middle}.values())


def _voices(folder: Path) -> list[Samples]:
    skipped: list[Skipped] = []
    recordings = [Recording(path, "") for path in clips(folder)]
    voices = [samples for _, samples in listened(recordings, skipped)]
    if not voices:
        raise CorpusError(f"{folder} holds no speech to make babble of.")
    return voices
