"""The model that a training starts from: where it is, by whatever it was called."""

from dataclasses import dataclass
from pathlib import Path

from services.lyrics.training.errors import TrainingError
from services.runtime.errors import ModelNotFound, OrfeonError
from services.runtime.registry import Registry

WEIGHTS = "model.gguf"


@dataclass(frozen=True, slots=True)
class Base:
    """Weights to start from.

    `source` is what transformers loads: a folder, or the name of a Hugging Face repository. `gguf`
    is the file in that folder where the weights are GGUF. `model` is the name among Orfeón's
    models, where it has one.
    """

    source: str
    gguf: str = ""
    model: str = ""
    licence: str = "unknown"
    owned_by: str = "unknown"

    @property
    def path(self) -> Path | None:
        """The GGUF file, where it is one."""
        return Path(self.source) / self.gguf if self.gguf else None


def find(name: str, registry: Registry) -> Base:
    """The base that `name` means: a GGUF file, a folder, one of our models, or a repository.

    Raises `TrainingError`.
    """
    path = Path(name).expanduser()
    if path.is_file():
        path = path.resolve()
        return Base(str(path.parent), gguf=path.name)
    if path.is_dir():
        return Base(str(path.resolve()))
    try:
        manifest = registry.get(name)
    except ModelNotFound:
        # Whether the hub knows it shows when it is loaded.
        return Base(name, owned_by=name.partition("/")[0])
    if WEIGHTS not in manifest.files:
        raise TrainingError(f"'{name}' is no base: it has no weights of its own in GGUF.")
    try:
        folder = registry.folder(manifest)
    except OrfeonError as error:
        raise TrainingError(str(error)) from error
    return Base(
        str(folder),
        gguf=WEIGHTS,
        model=manifest.name,
        licence=manifest.licence,
        owned_by=manifest.owned_by,
    )
