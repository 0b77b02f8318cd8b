"""What models may take and what is free, by device, as the machine tells it.

Devices are named as CUDA numbers them for this process: `cpu`, `cuda:0`, `cuda:1`, ... All
processes that share an arbiter must be shown the same GPUs in the same order.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from services.runtime.residency.placement import CPU, CUDA
from services.runtime.residency.ram import Ram

#: How much of a device models may take. The rest of the RAM is for the interpreters and their
#: libraries, 100 MB a service, and for the audio in hand; the rest of a GPU for CUDA itself, which
#: takes 300 to 500 MB for each process that computes there.
SHARE = {CPU: 0.85, CUDA: 0.9}


class Gpus:
    """The GPUs that this process may use. Without a driver there are none.

    A GPU that does not answer, or that is cut into MIG instances, is left out; name the instances
    in CUDA_VISIBLE_DEVICES to use them. `nvml` is the module `pynvml`.
    """

    def __init__(self, nvml: Any, environment: Mapping[str, str] = os.environ) -> None:
        self._nvml = nvml
        self._visible = environment.get("CUDA_VISIBLE_DEVICES")
        try:
            nvml.nvmlInit()
        except nvml.NVMLError:
            self._nvml = None

    def memory(self) -> dict[str, tuple[int, int]]:
        """Total and free bytes of each GPU, by name."""
        found: dict[str, tuple[int, int]] = {}
        if self._nvml is None:
            return found
        try:
            for at, gpu in enumerate(self._shown()):
                if (sizes := self._sizes(gpu)) is not None:
                    found[f"{CUDA}:{at}"] = sizes
        except self._nvml.NVMLError:
            return {}
        return found

    def _shown(self) -> Iterator[str | int]:
        """Numbers or UUIDs in the order in which CUDA numbers them; ends as CUDA's list does."""
        count: int = self._nvml.nvmlDeviceGetCount()
        if self._visible is None:
            yield from range(count)
            return
        for entry in self._visible.split(","):
            name = entry.strip()
            if name.startswith(("GPU-", "MIG-")):
                yield name
            elif name.isdecimal() and int(name) < count:
                yield int(name)
            else:
                return  # CUDA hides what follows the first that there is not.

    def _sizes(self, gpu: str | int) -> tuple[int, int] | None:
        nvml = self._nvml
        try:
            if isinstance(gpu, str):
                handle = nvml.nvmlDeviceGetHandleByUUID(gpu)
            else:
                handle = nvml.nvmlDeviceGetHandleByIndex(gpu)
                if self._is_cut(handle):
                    return None
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        except nvml.NVMLError:
            return None
        return int(memory.total), int(memory.free)

    def _is_cut(self, handle: Any) -> bool:
        try:
            current, _pending = self._nvml.nvmlDeviceGetMigMode(handle)
        except self._nvml.NVMLError:
            return False  # A GPU that cannot be cut.
        return bool(current == self._nvml.NVML_DEVICE_MIG_ENABLE)


class Devices:
    """RAM and GPUs of this machine."""

    def __init__(self, ram: Ram, gpus: Gpus) -> None:
        self._ram = ram
        self._gpus = gpus

    def capacity(self, budgets: Mapping[str, int]) -> dict[str, int]:
        """Bytes by device that models may take: the budget named, or a share of what there is.

        A budget of 0 is none; one for a device that is not there is left out.
        """
        totals = {CPU: self._ram.total()}
        totals |= {name: total for name, (total, _) in self._gpus.memory().items()}
        return {
            name: budgets.get(name, 0) or int(total * SHARE[name.split(":")[0]])
            for name, total in totals.items()
        }

    def free(self) -> dict[str, int]:
        """Bytes by device that nobody has taken, measured now."""
        gpus = {name: free for name, (_, free) in self._gpus.memory().items()}
        return {CPU: self._ram.free(), **gpus}

    def used(self) -> dict[str, int]:
        """Bytes that anyone has taken on each GPU, measured now."""
        return {name: total - free for name, (total, free) in self._gpus.memory().items()}


@cache
def _here() -> Devices:
    # Not at the top: where there is an arbiter, a service that starts again need not measure.
    import pynvml

    return Devices(Ram(), Gpus(pynvml))


def capacity(budgets: Mapping[str, int]) -> dict[str, int]:
    """See `Devices`, of this machine."""
    return _here().capacity(budgets)


def free() -> dict[str, int]:
    """See `Devices`, of this machine. Takes less than half a millisecond without a GPU."""
    return _here().free()


def used() -> dict[str, int]:
    """See `Devices`, of this machine."""
    return _here().used()
