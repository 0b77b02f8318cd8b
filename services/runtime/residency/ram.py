"""How much RAM this process may take: the machine's, or its control group's where that is less."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class _Version:
    """The names that a version of control groups gives to its files."""

    limit: str
    usage: str
    cached: tuple[str, str]
    """The lines of `memory.stat` that count cached files: what was read once, and what was read
    again, as are weights that are verified and then loaded."""
    mapped: str
    """The line that counts those of them that somebody works with: weights that llama.cpp maps."""


_V1 = _Version(
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "total_mapped_file",
)
_V2 = _Version("memory.max", "memory.current", ("inactive_file", "active_file"), "file_mapped")


def _machine() -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.total, memory.available


class Ram:
    """RAM, in bytes. `machine` gives the total and what is available without regard to limits."""

    def __init__(
        self,
        groups: Path = Path("/proc/self/cgroup"),
        mounted: Path = Path("/sys/fs/cgroup"),
        machine: Callable[[], tuple[int, int]] = _machine,
    ) -> None:
        self._machine = machine
        self._groups = list(_limiting(groups, mounted))

    def total(self) -> int:
        """The most that this process could take, were it alone."""
        limits = (_limit(folder / version.limit) for folder, version in self._groups)
        return min([self._machine()[0], *(limit for limit in limits if limit is not None)])

    def free(self) -> int:
        """What can be taken now; files that are only cached count as free."""
        free = self._machine()[1]
        for folder, version in self._groups:
            try:
                if (limit := _limit(folder / version.limit)) is not None:
                    free = min(free, limit - _needed(folder, version))
            except (OSError, ValueError):
                continue  # The kernel does not tell, so this group sets no bound of ours.
        return max(0, free)


def _limiting(groups: Path, mounted: Path) -> Iterator[tuple[Path, _Version]]:
    """The folders of the process's group and of all above it: each of them limits."""
    try:
        lines = groups.read_text("utf-8").splitlines()
    except OSError:
        return  # No Linux, so no control groups.
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            version, root = _V2, mounted
        elif "memory" in controllers.split(","):
            version, root = _V1, mounted / "memory"
        else:
            continue
        folder = root / path.lstrip("/")
        for each in (folder, *folder.parents):
            # In a container the path may be the host's, of which only the root is mounted.
            if each.is_relative_to(root) and (each / version.limit).exists():
                yield each, version


def _limit(file: Path) -> int | None:
    """None for no limit."""
    try:
        text = file.read_text("ascii").strip()
    except OSError:
        return None
    return None if text == "max" else int(text)


def _needed(folder: Path, version: _Version) -> int:
    """What a group uses and the kernel cannot drop: without files that are only cached."""
    usage = int((folder / version.usage).read_text("ascii"))
    lines = (folder / "memory.stat").read_text("ascii").splitlines()
    sizes = {name: int(size) for name, _, size in (line.partition(" ") for line in lines)}
    cached = sum(sizes.get(name, 0) for name in version.cached)
    return usage - max(0, cached - sizes.get(version.mapped, 0))
