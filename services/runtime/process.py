"""Which process this is, and whether another one still lives: as the kernel tells it."""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, this side of a reboot.

    `namespace` is the inode of its pid namespace, `started` the clock ticks from the start of the
    system to its own. Both are 0 on systems that do not tell.
    """

    pid: int
    namespace: int
    started: int


def this_process() -> Process:
    """The process that asks."""
    try:
        namespace = (_PROC / "self/ns/pid").stat().st_ino
        pid, _, started = _read("self")
    except FileNotFoundError:
        return Process(os.getpid(), 0, 0)
    return Process(pid, namespace, started)


def is_alive(process: Process) -> bool:
    """Whether a process of our own namespace runs, stopped or not; a zombie does not."""
    try:
        _, state, started = _read(str(process.pid))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return started == process.started and state not in ("Z", "X")


def _read(name: str) -> tuple[int, str, int]:
    """Id, state and start of a process. See proc(5)."""
    text = (_PROC / name / "stat").read_text("utf-8", "replace")
    pid, _, rest = text.partition(" ")
    fields = rest.rpartition(")")[2].split()  # The name before may hold blanks and brackets.
    return int(pid), fields[0], int(fields[19])
