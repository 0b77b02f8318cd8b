"""What a model will take, from what its `model.yaml` says and its engine can do."""

import ctypes

from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, CUDA, TRITON, Footprint


def footprint_of(
    manifest: Manifest, kinds: frozenset[str], *, on_triton: bool = False
) -> Footprint:
    """What a model takes, for an engine that can use these `kinds` of device; `on_triton` is for a
    server that computes it, whosever memory it takes.

    The weights are spread evenly over the layers, embeddings included. That is more than a layer
    really has, so a split puts rather too few on the GPU; what is not weights (context, buffers)
    counts on both sides.
    """
    if manifest.devices and TRITON not in kinds:
        kinds &= frozenset(manifest.devices)
    if on_triton and manifest.triton_memory_bytes:
        return Footprint(manifest.triton_memory_bytes, kinds=kinds)
    if manifest.layers == 0:
        return Footprint(manifest.memory_bytes, kinds=kinds)
    weights = sum(file.size or 0 for file in manifest.files.values())
    layer_bytes = min(weights, manifest.memory_bytes) // manifest.layers
    return Footprint(manifest.memory_bytes, manifest.layers, layer_bytes, kinds)


def allowed(device: str, *, cuda: bool) -> frozenset[str]:
    """The kinds of device that an engine may use: by the setting, and whether it finds CUDA.

    Who demands a GPU of an engine that has none is left with a model that fits nowhere.
    """
    if device != "auto":
        return frozenset({device})
    return frozenset({CPU, CUDA} if cuda else {CPU})


def finds_library(name: str) -> bool:
    """Whether a shared library can be loaded. CTranslate2 looks for cuBLAS only when it computes,
    and many a machine has NVIDIA's driver without it.
    """
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
