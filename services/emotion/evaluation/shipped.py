"""The report on the models that come with Orfeón: `make evaluate` writes it into docs/emotion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.emotion.corpora import EIGHT, SIX, Labelling, Recording, read
from services.emotion.evaluation.answers import Track
from services.emotion.evaluation.goals import EIGHT_LABELS, OTHER_CORPUS, SIX_LABELS, goals
from services.emotion.evaluation.held_out import Fit, leave_corpus_out, leave_speakers_out
from services.emotion.evaluation.plans import Sounding, extent_of
from services.emotion.evaluation.progress import Bars
from services.emotion.evaluation.recipe import recipe_of
from services.emotion.evaluation.result import About, Report, Result
from services.emotion.evaluation.run import Extent, evaluate, spread
from services.emotion.evaluation.subject import manifest_of, registry_of
from services.emotion.settings import EmotionSettings

FOLDS = 6
#: Clips under each condition. There are twelve kinds of noise, and all together cover the corpus.
CLIPS = 60
#: In a fast run: clips of each corpus, and folds.
_FAST_CLIPS, _FAST_FOLDS = 96, 2

#: The model of the eight labels, made by the default one's recipe on the same encoder.
EIGHT_MODEL = "emotion-8-whisper-tiny"


@dataclass(frozen=True)
class Corpora:
    """What the evaluations hear."""

    ravdess: list[Recording]
    emodb: list[Recording]
    noise: Path
    voices: Path


def corpora(data: Path, *, fast: bool) -> Corpora:
    """All below one folder. Raises `CorpusError`."""
    ravdess, emodb = (read(data / "emotion" / name) for name in ("ravdess", "emodb"))
    if fast:
        ravdess, emodb = (spread(each, _FAST_CLIPS) for each in (ravdess, emodb))
    voices = data / "speech" / "leopard" / "audio_samples"
    return Corpora(ravdess, emodb, data / "noise" / "esc10", voices)


def shipped(
    data: Path, settings: EmotionSettings, console: Console, *, fast: bool, seed: int
) -> Report:
    """Everything that docs/emotion/report.md tells. Raises `EvaluationError` and `CorpusError`."""
    heard = corpora(data, fast=fast)
    registry = registry_of(settings)
    sounding = Sounding(heard.noise, heard.voices, CLIPS)
    full = extent_of(sounding, cost=True, fast=fast, seed=seed)
    default = manifest_of("", registry)
    # The faster one, which takes its place under load.
    fallback = manifest_of(str(default.options["fallback"]), registry)
    every = [*heard.ravdess, *heard.emodb]
    results: list[Result] = []
    with Bars(console) as bars:
        for manifest in (default, fallback):
            with recipe_of(manifest, registry, settings, every, heard.noise, bars) as fit:
                plan = _Plan(manifest.name, fit, bars, full, _FAST_FOLDS if fast else FOLDS)
                results += plan.default(heard) if manifest is default else plan.fallback(heard)
    return Report(fast, seed, results, goals(results))


@dataclass(frozen=True)
class _Plan:
    """The evaluations of one model's recipe."""

    model: str
    fit: Fit
    track: Track
    extent: Extent
    folds: int

    def default(self, heard: Corpora) -> Iterator[Result]:
        yield self.speakers(SIX_LABELS, heard.ravdess, SIX, self.model, self.extent)
        yield self.speakers(EIGHT_LABELS, heard.ravdess, EIGHT, EIGHT_MODEL, self.clean)
        yield self.corpus(OTHER_CORPUS, "EMO-DB", heard.ravdess, heard.emodb)

    def fallback(self, heard: Corpora) -> Iterator[Result]:
        name = f"fallback-{SIX_LABELS}"
        yield self.speakers(name, heard.ravdess, SIX, self.model, self.extent)
        yield self.corpus(f"fallback-{OTHER_CORPUS}", "EMO-DB", heard.ravdess, heard.emodb)

    @property
    def clean(self) -> Extent:
        return Extent(seed=self.extent.seed)

    def speakers(
        self,
        name: str,
        recordings: list[Recording],
        labels: Sequence[str],
        model: str,
        extent: Extent,
    ) -> Result:
        kept = Labelling(keep=labels)(recordings)
        count = len({each.speaker for each in kept})
        about = About(
            name,
            f"leave-speakers-out, RAVDESS, {len(labels)} labels",
            model,
            f"{count} actors in {self.folds} folds. Whoever speaks, the head that answers was "
            "fitted on the other folds alone, its temperature too. So were the heads that answer "
            "clips which suffer.",
        )
        return evaluate(
            about, leave_speakers_out(self.fit, kept, self.folds), kept, extent, self.track
        )

    def corpus(
        self, name: str, title: str, known: list[Recording], tested: list[Recording]
    ) -> Result:
        known, tested = (Labelling(keep=SIX)(each) for each in (known, tested))
        about = About(
            name,
            f"leave-corpus-out, {title}, {len(SIX)} labels",
            self.model,
            f"Fitted on {len({each.speaker for each in known})} speakers of another corpus, in "
            f"another language, and asked about all of {title} that is labelled with one of the "
            "six.",
        )
        subject = leave_corpus_out(self.fit, known, tested)
        return evaluate(about, subject, tested, self.clean, self.track)
