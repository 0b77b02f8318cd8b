"""Which models there are, by what name, and where their files lie."""

import builtins
import logging
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.runtime.errors import InvalidRequest, ModelNotFound, ServiceUnavailable
from services.runtime.manifest import (
    Manifest,
    ManifestError,
    carrying,
    profile_of,
    read_manifest,
    without_adapters,
)
from services.runtime.sources import Sources
from services.runtime.store import ModelStore, Progress, folder_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    manifest: Manifest
    folder: Path
    own: bool
    """Whether it stands in the user's home, rather than in Orfeón itself."""
    created: int
    """When its `model.yaml` was last changed, Unix seconds."""


class Registry:
    """The models of Orfeón and those that the user added.

    `folders` hold the built-in models, `<folder>/<any>/model.yaml`; a user's models are
    `<home>/models/<name>/model.yaml` and go before a built-in one of the same name or alias. So are
    those of `shared`, a folder like `<home>/models` that is only read, such as a volume that many
    machines mount: a file that lies there is linked into `home`, once it has been verified.
    `capability` leaves out the models of all others; a model for an engine that is not among
    `engines`, where given, cannot be read. A built-in manifest that cannot be read
    raises `ManifestError`; one of the user's is left out and stands in `broken`, so that a slip
    in one file stops no service.
    """

    def __init__(
        self,
        home: Path,
        folders: Sequence[Path],
        capability: str | None = None,
        *,
        engines: Container[str] | None = None,
        shared: Path | None = None,
        sources: Sources | None = None,
    ) -> None:
        self._sources = sources or Sources()
        self._store = ModelStore(home / "models", self._sources)
        self._own = [*([shared] if shared else []), home / "models"]
        self._capability = capability
        self._engines = engines
        self.broken: list[ManifestError] = []
        self._seen: set[Path] = set()
        entries: dict[str, _Entry] = {}
        for folder in folders:
            for path in sorted(folder.glob("*/model.yaml")):
                manifest = read_manifest(path)
                entries[manifest.name] = _entry(manifest, path, own=False)
        entries |= {entry.manifest.name: entry for entry in self._unseen()}
        self._entries = {
            name: entry
            for name, entry in sorted(entries.items(), key=lambda item: not item[1].own)
            if capability in (None, entry.manifest.capability)
        }
        self._join_profiles()

    def list(self) -> list[Manifest]:
        """Every model: the defaults first, then by name."""
        manifests = (entry.manifest for entry in self._entries.values())
        return sorted(manifests, key=lambda manifest: (not manifest.default, manifest.name))

    def defaults(self) -> builtins.list[Manifest]:
        """The models that answer requests which name none: one for each task."""
        tasks = sorted({task for entry in self._entries.values() for task in entry.manifest.tasks})
        chosen = {m.name: m for task in tasks if (m := self._default_for(task)) is not None}
        return [manifest for manifest in self.list() if manifest.name in chosen]

    def resolve(self, name: str, task: str) -> Manifest:
        """The model called `name`, or with that alias; for "" the default for `task`.

        Raises `ModelNotFound`, and `InvalidRequest` if the model is not for `task`.
        """
        if not name:
            return self._default(task)
        manifest = self.get(name)
        if task not in manifest.tasks:
            raise InvalidRequest(
                f"The model '{manifest.name}' is for {' and '.join(manifest.tasks)}, "
                f"not for {task}.",
                param="model",
            )
        return manifest

    def get(self, name: str) -> Manifest:
        """The model called `name`, or with that alias. Raises `ModelNotFound`."""
        manifest = self._find(name)
        if manifest is None:
            self.discover()
            manifest = self._find(name)
        if manifest is not None:
            return manifest
        raise ModelNotFound(
            f"There is no model '{name[:40]}' here; GET /v1/models lists those there are.",
            param="model",
        )

    def discover(self) -> None:
        """Adds the user's models that have come since, such as one just trained.

        Profiles wait for the next start: their bases are in memory without them.
        """
        for entry in self._unseen():
            manifest = entry.manifest
            wanted = self._capability in (None, manifest.capability) and manifest.base is None
            if wanted and manifest.name not in self._entries:
                # A new dictionary: a load in another thread may be going through the old one.
                self._entries = self._entries | {manifest.name: entry}

    def weights(self, manifest: Manifest) -> Manifest:
        """The model that is in memory for this one: itself or, for a profile, its base."""
        return self._entries[manifest.base or manifest.name].manifest

    def usable(self, manifest: Manifest) -> Manifest:
        """A model without those adapters of its profiles that are not on this machine, or not what
        they should be: they stop nobody else.
        """
        missing: set[str] = set()
        for profile in self.list():
            if profile.base == manifest.name and profile.files:
                try:
                    self._folder(profile)
                except ServiceUnavailable as error:
                    missing.add(profile.name)
                    _log.warning("adapter left out", extra={"reason": error.message})
        return manifest if not missing else without_adapters(manifest, missing)

    def created(self, manifest: Manifest) -> int:
        """When the model's `model.yaml` was last changed, Unix seconds."""
        return self._entries[manifest.name].created

    def is_pulled(self, manifest: Manifest) -> bool:
        """Whether `folder` would give the model without fetching anything."""
        return all(
            self._store.obtainable(part, self._origin(part)) for part in self._parts(manifest)
        )

    def folder(self, manifest: Manifest) -> Path:
        """The folder that holds every file of the model's weights under its name, verified.

        What lies on this machine is put in place by itself. Raises `ServiceUnavailable` if
        something has to be pulled first, or is not what it should be.
        """
        return self._folder(self.weights(manifest))

    def pull(self, manifest: Manifest, progress: Progress | None = None) -> Path:
        """Fetches what is missing, of a base too, and verifies it; returns the model's folder.

        Raises `ServiceUnavailable`.
        """
        *base, own = self._parts(manifest)
        for part in base:
            self._store.materialise(part, self._origin(part), fetch=True, progress=progress)
        return self._store.materialise(own, self._origin(own), fetch=True, progress=progress)

    def remove(self, manifest: Manifest) -> int:
        """Removes the model's fetched files and links; returns the bytes freed.

        Installed packages stay, and so do files that the user put there, and a profile's base.
        """
        return self._store.remove(manifest)

    def _unseen(self) -> builtins.list[_Entry]:
        """The user's models whose `model.yaml` has not been read yet."""
        entries = []
        paths = [path for folder in self._own for path in sorted(folder.glob("*/model.yaml"))]
        for path in (each for each in paths if each not in self._seen):
            self._seen.add(path)
            try:
                entries.append(_own_entry(path, self._capability, self._engines))
            except ManifestError as error:
                _log.warning("model left out", extra={"reason": str(error)})
                self.broken.append(error)
        return entries

    def _find(self, name: str) -> Manifest | None:
        if name in self._entries:
            return self._entries[name].manifest
        for entry in self._entries.values():
            if name in entry.manifest.aliases:
                return entry.manifest
        return None

    def _join_profiles(self) -> None:
        """Gives each profile what it has of its base, and the base what its profiles add to it."""
        for name, entry in list(self._entries.items()):
            if entry.manifest.base is None:
                continue
            base = self._entries.get(entry.manifest.base)
            if base is None or base.manifest.base is not None:
                del self._entries[name]
                fault = ManifestError(
                    f"{entry.folder / 'model.yaml'}: base: there is no model "
                    f"{entry.manifest.base!r} that profiles can share"
                )
                if not entry.own:
                    raise fault
                _log.warning("model left out", extra={"reason": str(fault)})
                self.broken.append(fault)
                continue
            self._entries[name] = replace(entry, manifest=profile_of(base.manifest, entry.manifest))
            self._entries[base.manifest.name] = replace(
                base,
                manifest=carrying(base.manifest, entry.manifest, self._store.path(entry.manifest)),
            )

    def _parts(self, manifest: Manifest) -> builtins.list[Manifest]:
        """The models whose files it needs, itself last."""
        weights = self.weights(manifest)
        return [manifest] if weights.name == manifest.name else [weights, manifest]

    def _folder(self, manifest: Manifest) -> Path:
        if self._store.complete(manifest):
            return self._store.path(manifest)
        return self._store.materialise(manifest, self._origin(manifest), fetch=False)

    def _origin(self, manifest: Manifest) -> Path:
        return self._entries[manifest.name].folder

    def _default(self, task: str) -> Manifest:
        manifest = self._default_for(task)
        if manifest is None:
            raise ModelNotFound(
                f"No model is the default for {task}; name one in the field 'model'.",
                param="model",
            )
        return manifest

    def _default_for(self, task: str) -> Manifest | None:
        able = [e.manifest for e in self._entries.values() if task in e.manifest.tasks]
        defaults = [manifest for manifest in able if manifest.default]
        if not defaults and len(able) != 1:
            return None
        return (defaults or able)[0]


def _entry(manifest: Manifest, path: Path, *, own: bool) -> _Entry:
    return _Entry(manifest, path.parent, own, int(path.stat().st_mtime))


def _own_entry(path: Path, capability: str | None, engines: Container[str] | None) -> _Entry:
    manifest = read_manifest(path)
    own = manifest.capability == capability and manifest.base is None
    if engines is not None and own and manifest.engine not in engines:
        raise ManifestError(f"{path}: engine: {capability} has no engine {manifest.engine!r}")
    # The folder is also where the model's files are put: were it another model's, they would mix.
    if path.parent.name != folder_name(manifest.name):
        raise ManifestError(
            f"{path}: name: the folder of this model must be called {folder_name(manifest.name)}"
        )
    return _entry(manifest, path, own=True)
