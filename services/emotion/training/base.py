"""What a training starts from: one of our models, a folder, or a repository of a hub."""

from dataclasses import dataclass
from pathlib import Path

from services.emotion.training.errors import Misuse
from services.runtime.errors import ModelNotFound, ServiceUnavailable
from services.runtime.registry import Registry

ENGINE = "wav2vec2"


@dataclass(frozen=True)
class Base:
    """Where the weights are, and what is known of them. `licence` is empty where nothing is."""

    source: str
    name: str
    licence: str = ""
    commercial_use: bool | None = None
    provenance: str = ""


def find(name: str, registry: Registry) -> Base:
    """The base of that name. Raises `Misuse` for a model of ours that is of another kind."""
    path = Path(name).expanduser()
    if path.is_dir():
        return Base(str(path.resolve()), path.resolve().name)
    try:
        manifest = registry.get(name)
    except ModelNotFound:
        # Whether the hub knows it shows when it is loaded.
        return Base(name, name)
    if manifest.engine != ENGINE:
        raise Misuse(
            f"The model {name} is for the engine {manifest.engine}; --method full starts from a "
            "checkpoint of transformers, such as facebook/wav2vec2-base."
        )
    try:
        folder = registry.folder(manifest)
    except ServiceUnavailable as error:
        raise Misuse(error.message) from error
    return Base(
        str(folder),
        manifest.name,
        manifest.licence,
        manifest.commercial_use,
        manifest.provenance,
    )
