"""How the head of a model is fitted anew, by the recipe that made the one that it has."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from services.emotion import features, prosody
from services.emotion.__main__ import EMOTION
from services.emotion.corpora import Recording, Skipped, listened
from services.emotion.corpora.labels import labels_of
from services.emotion.corpora.recording import clips
from services.emotion.degradation import Augmentation, sounds
from services.emotion.degradation import augmentation as augmenting
from services.emotion.engine import Samples
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.held_out import Fit, Fitted
from services.emotion.evaluation.progress import Bars
from services.emotion.evaluation.remembering import Remembering
from services.emotion.examples import Examples, extract
from services.emotion.features import Encoder
from services.emotion.fitting import fit
from services.emotion.head_model import HEAD, HeadEngine, HeadModel
from services.emotion.settings import EmotionSettings
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement

#: Augmented copies of every clip that a head is fitted on.
COPIES = 2
_SEED = 1


@contextmanager
def recipe_of(
    manifest: Manifest,
    registry: Registry,
    settings: EmotionSettings,
    every: Sequence[Recording],
    noise: Path | None,
    bars: Bars,
) -> Iterator[Fit]:
    """Fits heads on any of `every` recording, all of which are listened to once and before.

    With `noise`, a folder of recordings by kind, they are augmented. Raises `EvaluationError` for a
    model that has no head, and `CorpusError`.
    """
    engine = EMOTION.engines[settings.engine or manifest.engine](settings)
    if not isinstance(engine, HeadEngine):
        raise EvaluationError(
            f"{manifest.name} is no head on an encoder, so nothing of it can be fitted anew here. "
            "Leave --folds and --test away, or train it with orfeon train classifier."
        )
    # A head is what is to be fitted: it need not be there.
    files = {name: file for name, file in manifest.files.items() if name != HEAD}
    folder = registry.folder(manifest.model_copy(update={"files": files}))
    encoder = engine.encoder(folder, Placement(((CPU, manifest.memory_bytes),)))
    augment = Augmentation(sounds(noise)) if noise else None
    cache = settings.home / "cache"
    key = _fingerprint(encoder, every, folder, files, noise)
    kept = cache / f"{manifest.engine}-examples-{key}.npz"
    heard, examples = _heard(every, encoder, augment, bars, kept)
    key = _fingerprint(encoder, [], folder, files)
    remembering = Remembering(encoder, cache / f"{manifest.engine}-windows-{key}.npz")
    place = {recording.path: at for at, recording in enumerate(heard)}

    def fitted(recordings: Sequence[Recording], title: str) -> Fitted:
        chosen = [place[each.path] for each in recordings if each.path in place]
        rows = np.isin(examples.clips, chosen)
        labels = labels_of(recordings)
        try:
            with bars.steps(title) as progress:
                head = fit(examples.of(rows), labels, reads=encoder.reads, progress=progress)
        except ValueError as error:
            raise EvaluationError(f"No head can be fitted: {error}.") from error
        return Fitted(HeadModel(remembering, head), head.temperature)

    try:
        yield fitted
    finally:
        remembering.save()


def _heard(
    recordings: Sequence[Recording],
    encoder: Encoder,
    augment: Augmentation | None,
    bars: Bars,
    cache: Path,
) -> tuple[list[Recording], Examples]:
    """What could be read, and its examples: from the cache where they are known."""
    if cache.is_file():
        return list(recordings), Examples.load(cache)
    skipped: list[Skipped] = []
    heard: list[Recording] = []

    def sounding() -> Iterator[tuple[Recording, Samples]]:
        for recording, samples in listened(bars(recordings, "Listening"), skipped):
            heard.append(recording)
            yield recording, samples

    examples = extract(sounding(), encoder, augment=augment, copies=COPIES, seed=_SEED)
    if not skipped:
        cache.parent.mkdir(parents=True, exist_ok=True)
        examples.save(cache)
    return heard, examples


def _fingerprint(
    encoder: Encoder,
    recordings: Sequence[Recording],
    folder: Path,
    files: Iterable[str],
    noise: Path | None = None,
) -> str:
    """Changes with all that examples depend on: clips, encoder, augmentation and our own code."""
    digest = hashlib.sha256(f"{COPIES} {_SEED}".encode())
    for module in (features, prosody, augmenting):
        # An encoder says by name what it reads.
        if module is not prosody or "prosody" in encoder.reads:
            digest.update(Path(str(module.__file__)).read_bytes())
    sizes = [(name, (folder / name).stat().st_size) for name in sorted(files)]
    behind = sorted(each.name for each in clips(noise)) if noise else []
    digest.update(repr((encoder.reads, sizes, behind)).encode())
    for recording in recordings:
        size = recording.path.stat().st_size if recording.path.exists() else 0
        digest.update(f"{recording.path.name} {recording.label} {size}\n".encode())
    return digest.hexdigest()[:16]
