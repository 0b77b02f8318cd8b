"""`--method head`: a head of our own on an encoder that stays as it is."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console

from services.emotion.__main__ import EMOTION
from services.emotion.corpora import Recording, Skipped, listened
from services.emotion.engine import EmotionModel
from services.emotion.examples import Examples, extract
from services.emotion.features import Encoder
from services.emotion.fitting import Recipe as HeadRecipe
from services.emotion.fitting import fit
from services.emotion.head_model import HEAD, HeadEngine
from services.emotion.settings import EmotionSettings
from services.emotion.training.augmenting import augmentation
from services.emotion.training.base import Base
from services.emotion.training.data import Clips
from services.emotion.training.errors import Interrupted, Misuse, TrainingError
from services.emotion.training.events import Events
from services.emotion.training.output import manifest
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights
from services.emotion.training.splits import TRAIN
from services.runtime.errors import ServiceUnavailable
from services.runtime.host import Engine
from services.runtime.manifest import LocalSource, Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement
from services.runtime.training.progress import bar
from services.runtime.training.stopping import stoppable

#: Clips whose features are written down together: what a kill costs at most.
CHUNK = 32

_SETTINGS = ("class_weights", "augment", "copies", "seed")


class OnEncoder:
    """A head that learns the labels of `clips`, on the encoder of one of our models.

    Raises `Misuse` for a base that is none.
    """

    def __init__(self, recipe: Recipe, clips: Clips, registry: Registry) -> None:
        self._recipe = recipe
        self._clips = clips
        self._augment = augmentation(recipe)
        self._described = _base_of(recipe.base, registry)
        engine = EMOTION.engines[self._described.engine](EmotionSettings())
        self._engine = cast(Engine[EmotionModel], engine)
        try:
            self._folder = registry.folder(self._described)
        except ServiceUnavailable as error:
            raise Misuse(error.message) from error
        self.base = Base(
            str(self._folder),
            self._described.name,
            # Our encoders are Whisper's; what may be bound is a head, and that is not taken.
            "MIT",
            True,
        )
        self.temperature: float | None = None

    def fit(self, work: Path, staging: Path, events: Events, console: Console) -> None:
        """Listens, or goes on listening, and fits. Raises `Interrupted` when told to stop."""
        engine = cast(HeadEngine, self._engine)
        encoder = engine.encoder(self._folder, self._placement)
        try:
            examples = self._heard(encoder, work / "features", events, console)
            with bar(console, "Fitting", 100, counted=False) as shown:
                head = fit(
                    examples,
                    self._clips.labels,
                    reads=encoder.reads,
                    recipe=HeadRecipe(balanced=self._recipe.class_weights, seed=self._recipe.seed),
                    progress=lambda done, every: shown.at(100 * done // every),
                )
        except ValueError as error:
            raise TrainingError(f"No head can be fitted: {error}.") from error
        head.save(staging / HEAD)
        self.temperature = head.temperature

    def manifest(self, staging: Path, rights: Rights, temperature: float) -> Manifest:
        """What `model.yaml` is to say. What of the encoder has no other source is copied."""
        files: dict[str, Any] = {}
        for name, file in self._described.files.items():
            if name == HEAD:
                continue
            if any(isinstance(source, LocalSource) for source in file.sources):
                shutil.copyfile(self._folder / name, staging / name)
            else:
                files[name] = file.model_dump(mode="json", exclude_none=True)
        options = {
            name: value for name, value in self._described.options.items() if name != "triton_model"
        }
        return manifest(
            staging,
            engine=self._described.engine,
            recipe=self._recipe,
            labels=self._clips.labels,
            rights=rights,
            memory_bytes=self._described.memory_bytes,
            options=options,
            files=files,
        )

    def engine(self) -> Engine[EmotionModel]:
        """What serves it."""
        return self._engine

    def tried(self, staging: Path) -> Path:
        """Where the engine finds all files: those in `staging`, and links to the others."""
        folder = staging.with_name(f"{staging.name}-tried")
        folder.mkdir()
        for name in self._described.files:
            here = staging / name
            (folder / name).symlink_to(here if here.exists() else self._folder / name)
        return folder

    def draw(self, staging: Path) -> None:
        """There is no curve: a head is fitted in one go."""

    @property
    def about(self) -> str:
        """A sentence for the model card."""
        return f"A head on the encoder of {self.base.name}, which stays as it is."

    @property
    def settings(self) -> dict[str, Any]:
        """What the model card tells of the settings."""
        every = asdict(self._recipe)
        return {name.replace("_", " "): every[name] for name in _SETTINGS}

    @property
    def _placement(self) -> Placement:
        return Placement(((CPU, self._described.memory_bytes),))

    def _heard(self, encoder: Encoder, folder: Path, events: Events, console: Console) -> Examples:
        """The features of all that is trained on: computed by chunks, each of which is kept."""
        trained = self._clips.part(TRAIN)
        folder.mkdir(exist_ok=True)
        parts: list[Examples] = []
        with bar(console, "Listening", len(trained), counted=True) as shown, stoppable() as stop:
            for begin in range(0, len(trained), CHUNK):
                parts.append(self._chunk(trained, begin, encoder, folder))
                done = min(begin + CHUNK, len(trained))
                shown.at(done)
                where = {"step": done, "total_steps": len(trained)}
                events.metrics(f"{done} of {len(trained)} clips are listened to.", where)
                if stop.wanted:
                    events.checkpoint(done, folder, {})
                    raise Interrupted(done)
        return _together(parts)

    def _chunk(
        self, trained: Sequence[Recording], begin: int, encoder: Encoder, folder: Path
    ) -> Examples:
        """Clips are numbered from `begin`."""
        file = folder / f"{begin:07d}.npz"
        if file.exists():
            return Examples.load(file)
        skipped: list[Skipped] = []
        examples = extract(
            listened(trained[begin : begin + CHUNK], skipped),
            encoder,
            augment=self._augment,
            copies=self._recipe.copies,
            seed=self._recipe.seed + begin,
        )
        examples = replace(examples, clips=examples.clips + begin)
        examples.save(file)
        return examples


def _together(parts: Sequence[Examples]) -> Examples:
    return Examples(
        np.concatenate([each.values for each in parts]),
        np.concatenate([each.labels for each in parts]),
        np.concatenate([each.speakers for each in parts]),
        np.concatenate([each.clips for each in parts]),
        np.concatenate([each.copies for each in parts]),
    )


def _base_of(name: str, registry: Registry) -> Manifest:
    """The model of ours that is called so, with `emotion-` before it or without."""
    known = [each for each in registry.list() if HEAD in each.files]
    for each in known:
        if name in (each.name, each.name.removeprefix("emotion-"), *each.aliases):
            return each
    raise Misuse(
        f"--method head starts from the encoder of one of our models, and {name} is none: there "
        f"are {', '.join(each.name for each in known)}. Networks of transformers are "
        "trained with --method full."
    )
