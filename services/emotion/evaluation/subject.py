"""What is evaluated: a model as it is served, or a recipe on voices it was not fitted on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from services.emotion.__main__ import EMOTION
from services.emotion.engine import EmotionModel
from services.emotion.evaluation.answers import Chosen
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.settings import EmotionSettings
from services.runtime.errors import ModelNotFound
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement


@dataclass(frozen=True)
class Subject:
    """Whom to ask about a recording, and what can be answered.

    `temperatures` are those by which the answers about each speaker are already divided; empty
    where nobody knows. `folds` are the speakers of each part that was left out.
    """

    labels: Sequence[str]
    chosen: Chosen
    temperatures: dict[str, float] = field(default_factory=dict)
    folds: tuple[tuple[str, ...], ...] = ()


def registry_of(settings: EmotionSettings) -> Registry:
    """The classifiers here."""
    return Registry(settings.home, [EMOTION.models], EMOTION.name)


def manifest_of(name: str, registry: Registry) -> Manifest:
    """The model of that name; the default one for no name. Raises `EvaluationError`."""
    try:
        return registry.resolve(name, "classification")
    except ModelNotFound as error:
        known = [each.name for each in registry.list() if "classification" in each.tasks]
        raise EvaluationError(
            f"There is no classifier '{name}' here; there are {', '.join(known)}."
        ) from error


@contextmanager
def served(
    manifest: Manifest, registry: Registry, settings: EmotionSettings
) -> Iterator[EmotionModel]:
    """The model as it is served, on the processor."""
    engine = EMOTION.engines[settings.engine or manifest.engine](settings)
    placement = Placement(((CPU, manifest.memory_bytes),))
    # What has the task of classifying does.
    model = cast(EmotionModel, engine.load(manifest, registry.folder(manifest), placement))
    try:
        yield model
    finally:
        model.close()
