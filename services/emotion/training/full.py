"""`--method full`: a network of transformers is fine-tuned, all of it or what is not frozen."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import set_seed

from services.emotion.training.augmenting import augmentation
from services.emotion.training.base import ENGINE, find
from services.emotion.training.data import Clips
from services.emotion.training.events import Events
from services.emotion.training.examples import Collator, Crops
from services.emotion.training.fitting import class_weights, fit
from services.emotion.training.network import extractor_of, network_of
from services.emotion.training.output import manifest
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights
from services.emotion.training.splits import TRAIN, VALIDATION
from services.emotion.wav2vec2_engine import Listener, Wav2Vec2Engine, quiet
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.training.history import History

#: Bytes that torch takes beside the weights while it computes; an estimate, as good as one needs.
_BESIDE = 200_000_000

#: The settings that mean something to a network.
_SETTINGS = (
    "seconds", "learning_rate", "batch", "accumulation", "epochs", "warmup", "weight_decay",
    "metric", "class_weights", "freeze", "augment", "checkpoint_every", "seed", "fp16",
)  # fmt: skip


class Full:
    """A network that learns the labels of `clips`. Raises `Misuse` for a base that is none."""

    #: It is fitted on the clips that the best checkpoint was chosen by.
    temperature: float | None = None

    def __init__(self, recipe: Recipe, clips: Clips, registry: Registry) -> None:
        quiet()
        self._recipe = recipe
        self.base = find(recipe.base, registry)
        self._clips = clips
        self._augment = augmentation(recipe)
        self._extractor = extractor_of(self.base)
        # The new layers begin at random.
        set_seed(recipe.seed)
        self._network = network_of(self.base, clips.labels, recipe.freeze)

    def fit(self, work: Path, staging: Path, events: Events, console: Console) -> None:
        """Trains, and writes what the engine reads into `staging`; see `fitting.fit`."""
        recipe, labels = self._recipe, self._clips.labels
        trained = self._clips.part(TRAIN)
        crops = Crops(trained, labels, recipe.seconds, seed=recipe.seed, augment=self._augment)
        middles = Crops(self._clips.part(VALIDATION), labels, recipe.seconds)
        even = [1.0] * len(labels)
        log = fit(
            self._network,
            recipe,
            (crops, middles),
            Collator(Listener(self._extractor), recipe.seconds),
            class_weights(trained, labels) if recipe.class_weights else even,
            work,
            events,
            console,
        )
        self._network.save_pretrained(staging)
        self._extractor.save_pretrained(staging)
        self._history = History.read(log)

    def manifest(self, staging: Path, rights: Rights, temperature: float) -> Manifest:
        """What `model.yaml` is to say."""
        weights = sum(file.stat().st_size for file in staging.glob("*.safetensors"))
        return manifest(
            staging,
            engine=ENGINE,
            recipe=self._recipe,
            labels=self._clips.labels,
            rights=rights,
            memory_bytes=weights + _BESIDE,
            options={"window_seconds": self._recipe.seconds, "temperature": temperature},
            files={},
        )

    def engine(self) -> Wav2Vec2Engine:
        """What serves it."""
        return Wav2Vec2Engine(device="auto", threads=torch.get_num_threads())

    def tried(self, staging: Path) -> Path:
        """Where the engine finds all files."""
        return staging

    def draw(self, staging: Path) -> None:
        """How the training went, as a table and as a picture."""
        self._history.save(staging / "loss.csv")
        self._history.plot(staging / "loss.png", staging.name, "nats")

    @property
    def about(self) -> str:
        """A sentence for the model card."""
        return f"Fine-tuned from {self.base.name} with transformers."

    @property
    def settings(self) -> dict[str, Any]:
        """What the model card tells of the settings."""
        every = asdict(self._recipe)
        return {name.replace("_", " "): every[name] for name in _SETTINGS}
