"""From what somebody wishes to a report: a model as it is served, on a corpus."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.emotion.corpora import CorpusError, Recording, Skipped, listened
from services.emotion.corpora.recording import clips
from services.emotion.degradation import sounds
from services.emotion.degradation.sounds import EVALUATION_FOLDS
from services.emotion.engine import Samples
from services.emotion.evaluation.conditions import NOISE, Condition, conditions
from services.emotion.evaluation.result import About, Report
from services.emotion.evaluation.run import Bars, Extent, evaluate, spread
from services.emotion.evaluation.subject import Subject, manifest_of, registry_of, served
from services.emotion.settings import EmotionSettings

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
    """A model by its name, empty for the default, and the recordings to ask it about."""

    model: str
    recordings: list[Recording]
    sounding: Sounding
    cost: bool
    fast: bool
    seed: int


def as_served(wish: Wish, settings: EmotionSettings, console: Console) -> Report:
    """How good a model is as it stands. Raises `EvaluationError` and `CorpusError`."""
    registry = registry_of(settings)
    manifest = manifest_of(wish.model, registry)
    extent = extent_of(wish.sounding, cost=wish.cost, fast=wish.fast, seed=wish.seed)
    recordings = spread(wish.recordings, _FAST_CLIPS) if wish.fast else wish.recordings
    about = About(
        manifest.name.replace("/", "--"),
        "As served",
        manifest.name,
        "The model as it is served. Where it was trained on these voices, the figures flatter it.",
    )
    with served(manifest, registry, settings) as model, Bars(console) as bars:
        subject = Subject(manifest.labels, lambda _recording: model)
        return Report(wish.fast, wish.seed, [evaluate(about, subject, recordings, extent, bars)])


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
