"""What is asked of a node: models with their costs, and who asks how urgently for which."""

import json
from dataclasses import dataclass
from pathlib import Path

#: Seconds of loading, unloading and serving, as `python -m bench.simulation.measure` found them.
COSTS = Path(__file__).parent / "costs.json"


@dataclass(frozen=True)
class Model:
    """One model. `share` is its part of the requests; times are in seconds."""

    name: str
    service: str
    share: float
    seconds: float
    """Mean service time of a request; exponentially distributed in generated traces."""
    load: float
    unload: float = 0.0


@dataclass(frozen=True)
class Workload:
    """Models of which memory holds one, and shares of the levels 0, 1, 2 and of the keys."""

    name: str
    models: tuple[Model, ...]
    levels: tuple[float, float, float] = (0.2, 0.3, 0.5)
    keys: tuple[float, ...] = (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)
    """Key 0 asks for as much as the others together; all weigh the same."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services of a node, each with a queue of its own; they share the memory."""
        return tuple(dict.fromkeys(model.service for model in self.models))


def _equal(name: str, shares: tuple[float, ...], *, apart: bool = False) -> Workload:
    """Models alike but for their shares: half a second of service, three seconds to load."""
    models = tuple(
        Model(letter, letter if apart else "models", share, seconds=0.5, load=3.0)
        for letter, share in zip("abc", shares, strict=False)
    )
    return Workload(name, models)


def _measured() -> Workload:
    costs = json.loads(COSTS.read_text("utf-8"))["models"]
    models = tuple(
        Model(name, cost["service"], 1 / len(costs), cost["seconds"], cost["load"], cost["unload"])
        for name, cost in costs.items()
    )
    return Workload("measured", models)


def workloads() -> dict[str, Workload]:
    """All workloads by name."""
    third = 1 / 3
    every = (
        _equal("reference", (third, third, third)),
        _equal("skewed", (0.8, 0.15, 0.05)),
        _equal("services", (0.5, 0.5), apart=True),
        _measured(),
    )
    return {workload.name: workload for workload in every}
