"""Trains the heads that come with Orfeón: `python -m services.emotion.training.ship --data FOLDER`.

The folder holds `emotion/ravdess`, `emotion/emodb` and `noise/esc10`. Each `head.npz` is written
beside the `model.yaml` of its model, whose labels it tells. The same data gives the same head: what
befalls the augmented copies is drawn by a fixed seed.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from services.emotion.__main__ import EMOTION
from services.emotion.corpora import CorpusError, Recording, Skipped, listened, read
from services.emotion.degradation import Augmentation, sounds
from services.emotion.encoder_graph import graph
from services.emotion.engine import Samples
from services.emotion.examples import COPIES, Examples, extract
from services.emotion.features import Encoder
from services.emotion.fitting import fit
from services.emotion.mel_head_engine import MelHeadEngine
from services.emotion.settings import EmotionSettings
from services.emotion.whisper_head_engine import GRAPH, HEAD, WEIGHTS, WhisperHeadEngine
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement

SEED = 1
#: The layers of Whisper tiny that heads read: see docs/emotion-head.md.
LAYERS = (1, 2, 3)

_RAVDESS, _BOTH = ("ravdess",), ("ravdess", "emodb")


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model that comes with Orfeón, and the corpora that its head learns from."""

    name: str
    corpora: Sequence[str]


#: With the same encoder each.
WHISPER = (Shipped("emotion-whisper-tiny", _BOTH), Shipped("emotion-8-whisper-tiny", _RAVDESS))
MEL = (Shipped("emotion-mel", _BOTH),)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="emotion/ and noise/ lie here")
    data: Path = parser.parse_args().data
    console = Console()
    settings = EmotionSettings()
    registry = Registry(settings.home, [EMOTION.models], EMOTION.name)
    folder = EMOTION.models / WHISPER[0].name
    try:
        recordings = [each for name in _BOTH for each in read(data / "emotion" / name)]
        augment = Augmentation(sounds(data / "noise" / "esc10"))
    except CorpusError as error:
        sys.exit(str(error))
    manifest = registry.get(WHISPER[0].name)
    # The graph and the head are what is to be made: they need not be there.
    weights = registry.folder(
        manifest.model_copy(update={"files": {WEIGHTS: manifest.files[WEIGHTS]}})
    )
    (folder / GRAPH).write_bytes(graph(weights / WEIGHTS, LAYERS).SerializeToString())
    encoded = registry.folder(
        manifest.model_copy(
            update={"files": {name: manifest.files[name] for name in (WEIGHTS, GRAPH)}}
        )
    )
    placement = Placement(((CPU, manifest.memory_bytes),))
    whisper = WhisperHeadEngine(device=CPU, threads=settings.threads_per_slot)
    for encoder, models in (
        (MelHeadEngine().encoder(folder, placement), MEL),
        (whisper.encoder(encoded, placement), WHISPER),
    ):
        examples = _heard(recordings, encoder, augment, console)
        for model in models:
            labels = registry.get(model.name).labels
            _train(model, labels, examples, encoder, console)


def _heard(
    recordings: Sequence[Recording], encoder: Encoder, augment: Augmentation, console: Console
) -> Examples:
    skipped: list[Skipped] = []

    def clips() -> Iterator[tuple[Recording, Samples]]:
        bar = track(recordings, f"Listening for {encoder.reads}", console=console)
        yield from listened(bar, skipped)

    examples = extract(clips(), encoder, augment=augment, copies=COPIES, seed=SEED)
    for each in skipped:
        console.print(f"{each.path.name} is left out: {each.reason}")
    return examples


def _train(
    model: Shipped, labels: list[str], examples: Examples, encoder: Encoder, console: Console
) -> None:
    own = examples.spoken_in(model.corpora)
    with console.status(f"Fitting {model.name}"):
        head = fit(own, labels, reads=encoder.reads)
    path = EMOTION.models / model.name / HEAD
    head.save(path)
    console.print(
        f"{model.name}: {own.labelled(labels).labels.size} examples, temperature "
        f"{head.temperature:.2f}, {path.stat().st_size / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
