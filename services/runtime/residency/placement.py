"""Where a model goes: on a GPU when it fits, split between GPU and processor, else in RAM."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.runtime.errors import OutOfMemory

CPU = "cpu"
CUDA = "cuda"
#: A Triton server whose memory is none of this node's.
TRITON = "triton"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model takes in memory, in bytes.

    `layers` of `layer_bytes` each may lie on another device than the rest; 0 layers means that the
    model cannot be split. `kinds` are the kinds of device that its engine can use: `cpu`, `cuda`,
    or `triton`.
    """

    bytes: int
    layers: int = 0
    layer_bytes: int = 0
    kinds: frozenset[str] = frozenset({CPU})

    @property
    def rest(self) -> int:
        """What is not layers: context, buffers. Counted on both sides of a split."""
        return max(0, self.bytes - self.layers * self.layer_bytes)


@dataclass(frozen=True, slots=True)
class Placement:
    """Bytes by device, the device that computes first. `gpu_layers` is -1 for all of them."""

    parts: tuple[tuple[str, int], ...]
    gpu_layers: int = 0

    @property
    def device(self) -> str:
        """The device that computes: `cpu`, `cuda:0`, ..."""
        return self.parts[0][0]

    @property
    def kind(self) -> str:
        """What kind of device computes: `cpu`, `cuda`."""
        return self.device.partition(":")[0]

    @property
    def index(self) -> int:
        """Which device of that kind."""
        return int(self.device.partition(":")[2] or 0)

    @property
    def bytes(self) -> int:
        """Bytes on all devices together."""
        return sum(size for _, size in self.parts)


def plan(footprint: Footprint, room: Mapping[str, int]) -> Placement | None:
    """Where a model fits, `room` being the free bytes by device; None where it does not.

    A whole GPU comes before a split, and that before RAM alone.
    """
    gpus = sorted(
        (name for name in room if name.startswith(CUDA)), key=lambda name: (-room[name], name)
    )
    if CUDA in footprint.kinds and gpus:
        gpu = gpus[0]
        if footprint.bytes <= room[gpu]:
            return Placement(((gpu, footprint.bytes),), gpu_layers=-1)
        if (split := _split(footprint, gpu, room)) is not None:
            return split
    for device in (TRITON, CPU):
        if device in footprint.kinds and footprint.bytes <= room.get(device, 0):
            return Placement(((device, footprint.bytes),))
    return None


def _split(footprint: Footprint, gpu: str, room: Mapping[str, int]) -> Placement | None:
    if CPU not in footprint.kinds or footprint.layers == 0 or footprint.layer_bytes == 0:
        return None
    fit = min(footprint.layers - 1, (room[gpu] - footprint.rest) // footprint.layer_bytes)
    below = (footprint.layers - fit) * footprint.layer_bytes + footprint.rest
    if fit < 1 or below > room.get(CPU, 0):
        return None
    return Placement(((gpu, fit * footprint.layer_bytes + footprint.rest), (CPU, below)), fit)


def does_not_fit(model: str, footprint: Footprint, room: Mapping[str, int]) -> OutOfMemory:
    """The refusal, with the arithmetic: what is needed, and the most that could be freed."""
    usable = {name: size for name, size in room.items() if name.split(":")[0] in footprint.kinds}
    offered = ", ".join(f"{size:,} on {name}" for name, size in sorted(usable.items()))
    return OutOfMemory(
        f"Model {model!r} needs {footprint.bytes:,} bytes; with every other model unloaded there "
        f"would be {offered or 'none on a device that it can use'}. Choose a smaller model, or "
        "give Orfeón more memory.",
        param="model",
        retry_after=30.0,
    )
