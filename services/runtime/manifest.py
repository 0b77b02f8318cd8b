"""What a model folder says of its model: `model.yaml`, parsed and checked."""

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")]


#: The one file of a profile: a LoRA adapter for the weights of its base.
ADAPTER = "adapter.gguf"

#: The option that names the model of a Triton server which is the same one.
TRITON_MODEL = "triton_model"


class ManifestError(Exception):
    """A `model.yaml` that cannot be used, with the file and the field at fault."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageSource(_Strict):
    """A file inside an installed Python package."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")]
    """Distribution and version, as pip takes them: `name==version`."""
    path: str
    """Path of the file below site-packages."""


class HubSource(_Strict):
    """A file of a Hugging Face repository."""

    hub: str
    """`organisation/name`."""
    revision: str
    """Commit, tag or branch. Prefer a commit: it cannot move."""
    path: str


class UrlSource(_Strict):
    """A file behind a URL."""

    url: Annotated[str, Field(pattern=r"^https?://")]


class LocalSource(_Strict):
    """A file on this machine; relative paths start at the model's own folder."""

    local: str


Source = PackageSource | HubSource | UrlSource | LocalSource


class ModelFile(_Strict):
    """One file of a model: where its bytes come from and what they must hash to."""

    sources: Annotated[list[Source], Field(min_length=1)]
    """Parts to join, in order; nearly always one."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Required for everything that is not part of the model's own folder."""
    size: Annotated[int, Field(gt=0)] | None = None
    """Bytes, for progress and for the check that comes before the hash."""

    @model_validator(mode="after")
    def _checksum_for_what_is_fetched(self) -> "ModelFile":
        if self.sha256 is None and not all(isinstance(s, LocalSource) for s in self.sources):
            raise ValueError("a file that is not local needs its sha256")
        return self


class Manifest(_Strict):
    """Everything that `model.yaml` says. Adding a model means adding such a file, nothing else."""

    name: Name
    capability: Literal["chat", "speech", "emotion", "lyrics", "melody", "images"]
    engine: str = ""
    """Which engine of the capability loads it, such as `llama-cpp`. A profile has its base's."""
    base: Name | None = None
    """The model of the same capability whose weights it shares: it is a profile of that one, with
    options of its own and perhaps the file `adapter.gguf`."""
    tasks: Annotated[list[str], Field(min_length=1)]
    """What it can be asked: chat, embedding, speech, transcription, translation, classification,
    speaker-embedding, lyrics, music, sound, image-generation, image-edit, image-variation; text
    alone, where it is there for its profiles."""
    default: bool = False
    """Answers requests for its tasks that name no model."""
    aliases: list[str] = []
    description: str = ""
    owned_by: str
    licence: str
    provenance: str = ""
    """What the weights were trained on, by whom, and what follows from it."""
    commercial_use: bool | None = None
    """Whether the licences of weights and data allow commercial use; None where nobody has said."""
    languages: list[str] = []
    voices: list[str] = []
    labels: list[str] = []
    classifies: str = ""
    """What a classifier tells by its labels: emotion, intent, language, keyword, sound, ..."""
    context_length: Annotated[int, Field(ge=0)] = 0
    memory_bytes: Annotated[int, Field(gt=0)] = 0
    """Memory taken once loaded and used, measured; what the memory budget counts. A profile's is
    what its adapter adds to the base."""
    triton_memory_bytes: Annotated[int, Field(ge=0)] = 0
    """The same on a Triton server: all instances together, each a process of its own, measured. 0
    where it is no more than `memory_bytes`."""
    layers: Annotated[int, Field(ge=0)] = 0
    """Layers that can lie on a GPU one by one; 0 keeps the model in one piece."""
    devices: list[Literal["cpu", "cuda"]] = []
    """Kinds of device that it may run on; empty for all that its engine can use."""
    files: dict[str, ModelFile] = {}
    """Files by the name the engine looks for."""
    options: dict[str, Any] = {}
    """What the engine alone understands."""

    @property
    def adapter(self) -> str:
        """The name of a profile's adapter among those of its base; empty where it has none."""
        return self.name if self.base and self.files else ""

    @model_validator(mode="after")
    def _what_profiles_leave_out(self) -> "Manifest":
        if self.base is not None:
            if self.engine or self.layers or self.files.keys() - {ADAPTER}:
                raise ValueError(
                    "a model with a base has that one's engine and layers, and no file but "
                    f"{ADAPTER}"
                )
            return self
        for field in ("engine", "memory_bytes", "files"):
            if field not in self.model_fields_set:
                raise ValueError(f"a model without a base needs {field}")
        return self

    @model_validator(mode="after")
    def _sizes_of_what_is_split(self) -> "Manifest":
        if self.layers and any(file.size is None for file in self.files.values()):
            raise ValueError("a model with layers needs the size of each of its files")
        return self

    @model_validator(mode="after")
    def _what_its_tasks_need(self) -> "Manifest":
        if "classification" in self.tasks and not (self.labels and self.classifies):
            raise ValueError("a model for classification needs labels, and what it classifies")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels are named once each")
        if "speech" in self.tasks and not self.voices:
            raise ValueError("a model for speech needs voices")
        if {"speech", "transcription", "translation"} & set(self.tasks) and not self.languages:
            raise ValueError(f"a model for {self.tasks[0]} needs languages")
        return self


def read_manifest(path: Path) -> Manifest:
    """Reads a `model.yaml`. Raises `ManifestError`."""
    try:
        return Manifest.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{path}: {field}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ManifestError(f"{path}: {error}") from error


def profile_of(base: Manifest, profile: Manifest) -> Manifest:
    """A profile with what it leaves to its base: engine, devices, context and, unless it has its
    own, languages.
    """
    return profile.model_copy(
        update={
            "engine": base.engine,
            "devices": base.devices,
            "context_length": base.context_length,
            "languages": profile.languages or base.languages,
        }
    )


def carrying(base: Manifest, profile: Manifest, folder: Path) -> Manifest:
    """A base with a profile's adapter, whose file lies in `folder`, and the memory that it adds."""
    if not profile.files:
        return base
    adapters = base.options.get("adapters", {}) | {profile.name: str(folder / ADAPTER)}
    return base.model_copy(
        update={
            "memory_bytes": base.memory_bytes + profile.memory_bytes,
            "options": base.options | {"adapters": adapters},
        }
    )


def without_adapters(base: Manifest, names: Set[str]) -> Manifest:
    """A base without the adapters of these profiles."""
    adapters = {n: file for n, file in base.options["adapters"].items() if n not in names}
    return base.model_copy(update={"options": base.options | {"adapters": adapters}})
