"""Trains the heads that come with Orfeón: `python -m services.emotion.training.ship --data FOLDER`.

The folder holds `emotion/ravdess`, `emotion/emodb` and `noise/esc10`. Each head is written beside
the `model.yaml` of its model, by the very recipe that `orfeon eval classifier` evaluates. The same
data gives the same heads: what befalls the augmented copies is drawn by a fixed seed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.emotion.__main__ import EMOTION
from services.emotion.corpora import EIGHT, SIX, CorpusError, Labelling, read
from services.emotion.encoder_graph import graph
from services.emotion.evaluation.progress import Bars
from services.emotion.evaluation.recipe import recipe_of
from services.emotion.evaluation.subject import registry_of
from services.emotion.head_model import HEAD, HeadModel
from services.emotion.settings import EmotionSettings
from services.emotion.whisper_head_engine import GRAPH, WEIGHTS
from services.runtime.environment import settings_of
from services.runtime.registry import Registry

#: The layers of Whisper tiny that heads read: docs/emotion-head.md tells why.
LAYERS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model that comes with Orfeón, and what its head learns."""

    name: str
    corpora: Sequence[str]
    labels: Sequence[str]


#: By the model whose encoder they read with. EMO-DB has neither calm nor surprised.
SHIPPED = {
    "emotion-whisper-tiny": (
        Shipped("emotion-whisper-tiny", ("ravdess", "emodb"), SIX),
        Shipped("emotion-8-whisper-tiny", ("ravdess",), EIGHT),
    ),
    "emotion-mel": (Shipped("emotion-mel", ("ravdess", "emodb"), SIX),),
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="emotion/ and noise/ lie here")
    data: Path = parser.parse_args().data
    settings = settings_of(EmotionSettings)
    registry = registry_of(settings)
    for name in ("emotion-whisper-tiny", "emotion-8-whisper-tiny"):
        write_graph(registry, EMOTION.models / name / GRAPH)
    try:
        train(data, registry, settings, Console(stderr=True))
    except CorpusError as error:
        sys.exit(str(error))


def write_graph(registry: Registry, path: Path) -> None:
    """Writes the graph of the encoder, for the weights of the model beside which it is to lie."""
    manifest = registry.get(path.parent.name)
    files = {WEIGHTS: manifest.files[WEIGHTS]}
    weights = registry.folder(manifest.model_copy(update={"files": files})) / WEIGHTS
    path.write_bytes(graph(weights, LAYERS).SerializeToString())


def train(data: Path, registry: Registry, settings: EmotionSettings, console: Console) -> None:
    """Listens once for each encoder, and fits its heads. Raises `CorpusError`."""
    heard = {name: read(data / "emotion" / name) for name in ("ravdess", "emodb")}
    every = [recording for recordings in heard.values() for recording in recordings]
    noise = data / "noise" / "esc10"
    with Bars(console) as bars:
        for encoder, models in SHIPPED.items():
            manifest = registry.get(encoder)
            with recipe_of(manifest, registry, settings, every, noise, bars) as fit:
                for each in models:
                    own = [recording for name in each.corpora for recording in heard[name]]
                    model = fit(Labelling(keep=each.labels)(own), each.name).model
                    assert isinstance(model, HeadModel)
                    model.head.save(EMOTION.models / each.name / HEAD)
                    console.print(f"{each.name}: temperature {model.head.temperature:.2f}")


if __name__ == "__main__":
    main()
