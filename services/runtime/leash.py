"""Runs a command that dies with its parent: `python leash.py PARENT_PID COMMAND...`.

The kernel is asked to kill this process when its parent is gone, and the request outlives exec, so
that nothing is left over even when a parent is killed outright. It is a program of its own,
rather than a `preexec_fn`, because Python must not run between fork and exec in a process with
threads. Systems other than Linux have no such request; there a parent that is killed outright
leaves its children.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Becomes the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(0)  # The parent died before it could be asked about.
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
