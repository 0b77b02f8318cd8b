"""Unloads a model and checks that its memory came back.

What counts is what the kernel says before and after: the resident bytes of this process, and the
free bytes of the GPU. Others may load or compute meanwhile, so the answer is for a log and a
metric, not for arithmetic.
"""

import ctypes
import gc
from collections.abc import Mapping
from typing import Protocol

import psutil

from services.runtime.residency import devices
from services.runtime.residency.placement import CPU, Placement

#: Bytes below which a difference says nothing: a request in hand makes as much.
NOISE = 32_000_000
#: The share of the declared bytes whose return proves that the weights have gone. Not all of them,
#: because what only requests take is declared, too, and a model may go before its first.
PROOF = 1 / 4

_M_ARENA_MAX = -8


class Closeable(Protocol):
    """A model in memory."""

    def close(self) -> None:
        """Gives its memory back."""


class Elsewhere:
    """Base of models whose memory is another process's, so that nothing can be missed here."""


def keep_one_heap() -> None:
    """Has glibc keep one heap for all threads. To be called before there are threads.

    `malloc_trim` does not reach the tops of the heaps that threads have of their own: Whisper alone
    left 70 to 130 MB there, for good. One heap for all costs no time that we could measure, since
    engines take their memory in few and large pieces.
    """
    if (mallopt := _libc_function("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)


def trim() -> None:
    """Gives the kernel back what this process has freed. Blocking."""
    gc.collect()
    if (malloc_trim := _libc_function("malloc_trim")) is not None:
        malloc_trim(0)


def unload(model: Closeable, placement: Placement) -> int:
    """Closes a model; how many bytes did not come back, 0 where all is well. Blocking.

    Raises what `close` raises.
    """
    if isinstance(model, Elsewhere):
        model.close()
        return 0
    before = _taken(placement)
    model.close()
    trim()
    return unreturned(placement, before, _taken(placement))


def unreturned(placement: Placement, before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """How many bytes are missing, by the bytes taken on each device before and after."""
    missing = 0
    for device, expected in placement.parts:
        if device not in before or device not in after:
            continue  # A GPU that does not answer any more.
        came_back = before[device] - after[device]
        lacking = expected - came_back
        # Who has less than what is lacking cannot keep it: the model never took it, as a fake.
        kept_it = lacking <= after[device]
        if came_back < expected * PROOF and lacking > NOISE and kept_it:
            missing += lacking
    return missing


def _taken(placement: Placement) -> dict[str, int]:
    """Bytes taken now on each device of a placement that can be measured."""
    names = {device for device, _ in placement.parts}
    taken = {name: size for name, size in devices.used().items() if name in names}
    if CPU in names:
        taken[CPU] = psutil.Process().memory_info().rss
    return taken


def _libc_function(name: str) -> "ctypes._NamedFuncPointer | None":
    """A function of the C library, None where it has none of that name, as on macOS and musl."""
    return getattr(ctypes.CDLL(None), name, None)
