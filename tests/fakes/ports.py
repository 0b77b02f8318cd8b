"""Ports for what tests start: chosen here, and listened on a while later by another process."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

#: Kernels give away those from 32768 on, so nobody gets one of these by chance meanwhile. Every
#: 16th, for some programs take several in a row.
_PORTS = range(11_000, 32_000, 16)
#: Among how many processes of pytest they are shared out.
_SHARES = 4


def free_port() -> int:
    """A port that nothing listens on, and that no other process of this run chooses."""
    for port in _ours:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a circle has no end")


def _share() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = _PORTS[worker % _SHARES :: _SHARES]
    # Two runs on one machine begin at different places.
    begin = random.SystemRandom().randrange(len(share))
    return itertools.cycle([*share[begin:], *share[:begin]])


_ours = _share()
