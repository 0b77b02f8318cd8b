"""Where tests that bring no host put a model."""

from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement


def on_cpu(manifest: Manifest) -> Placement:
    """All of it in RAM."""
    return Placement(((CPU, manifest.memory_bytes),))
