"""The folder of one job: its examples, what the trainer writes, and the model it makes."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from services.training.archive import Limits
from services.training.examples import Examples, data_path, lay_out

_DATA, _OUTPUT, _EVENTS = "data", "output", "events.jsonl"
_MANIFEST = "model.yaml"


class JobFolder:
    """What belongs to a job on the disk. All methods block.

    `home` is the installation's, `model` what the job's model is called.
    """

    def __init__(self, home: Path, job: str, model: str) -> None:
        self.root = home / "training" / "jobs" / job
        self.events = self.root / _EVENTS
        self.output = self.root / _OUTPUT / model
        self.published = home / "models" / model
        self.work = self.root / "work"
        # What the trainer writes before it begins, and needs to go on.
        self.begun = self.work / "clips.csv"
        self._home = home
        self._data = self.root / _DATA

    @property
    def hidden(self) -> Sequence[Path]:
        """Paths that are nobody else's affair, those within others first."""
        return [self._data / "training", self._data, self.root, self._home]

    def make(self) -> None:
        """Makes it, for its owner alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.output.parent.mkdir(exist_ok=True)

    def lay_out(
        self,
        archives: list[Path],
        found: list[Examples],
        limits: Limits,
        cancelled: Callable[[], bool],
    ) -> Path:
        """Unpacks the examples, unless they are; gives what the trainer is pointed at.

        Raises `ArchiveError`, `InsufficientStorage`.
        """
        if not self._data.is_dir():
            part = self._data.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            lay_out(archives, found, part, limits, cancelled)
            if not cancelled():
                part.rename(self._data)
        return data_path(self._data, found)

    @property
    def is_made(self) -> bool:
        """Whether the trainer has left a model."""
        return (self.output / _MANIFEST).is_file()

    @property
    def is_published(self) -> bool:
        """Whether the model is where it is served from."""
        return (self.published / _MANIFEST).is_file()

    def publish(self) -> None:
        """Puts the model where it is served from, all at once."""
        if not self.is_published:
            self.published.parent.mkdir(parents=True, exist_ok=True)
            self.output.rename(self.published)

    def withdraw(self) -> None:
        """Removes the model."""
        shutil.rmtree(self.published, ignore_errors=True)

    def forget(self) -> None:
        """Removes what the job needed while it ran; what the trainer told stays."""
        for folder in (self._data, self._data.with_suffix(".part"), self.work, self.output.parent):
            shutil.rmtree(folder, ignore_errors=True)
