"""Draws the results: `docs/simulation/*.png`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.simulation.figures import targets
from bench.simulation.results import Row, find, mean
from bench.simulation.study import (
    DEVICE_LOADS,
    DEVICES,
    FAIRNESS_LOADS,
    LOADS,
    POLICIES,
    SETTINGS,
)
from bench.simulation.workload import workloads

COLORS = {"fifo": "#8a8a8a", "priority": "#e0a030", "thesis": "#4a90c2", "orfeon": "#c2304a"}
_LOAD = "load, in multiples of FIFO's capacity"


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Draws every plot into `folder`."""
    plots: dict[str, Callable[[Sequence[Row]], Figure]] = {
        "waits": waits,
        "goodput": goodput,
        "swaps": swaps,
        "devices": devices,
        "fairness": fairness,
    }
    for name, plot in plots.items():
        # Without the metadata, the file changes only when the picture does.
        plot(rows).savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})


def waits(rows: Sequence[Row]) -> Figure:
    """p95 waits by load, a panel for each level, with the level's target."""
    figure, panels = _panels(3, width=11)
    reference = workloads()["reference"]
    for level, (panel, target) in enumerate(zip(panels, targets(reference), strict=True)):
        _by_load(panel, rows, f"p95_{level}")
        panel.axhline(target, color="black", linestyle=":", linewidth=1)
        panel.set(title=f"level {level}", yscale="log", ylim=(1, 10_000), xlabel=_LOAD)
    panels[0].set_ylabel("95 % wait at most so long, s")
    panels[0].legend(frameon=False)
    return figure


def swaps(rows: Sequence[Row]) -> Figure:
    """Loads of models per request, by load."""
    figure, (panel,) = _panels(1, width=5.5)
    _by_load(panel, rows, "swaps")
    panel.set(xlabel=_LOAD, ylabel="model loads per request", ylim=(0, None))
    panel.legend(frameon=False)
    return figure


def goodput(rows: Sequence[Row]) -> Figure:
    """The highest load that meets all targets, by workload and arrivals."""
    figure, (panel,) = _panels(1, width=9)
    width = 0.8 / len(POLICIES)
    for number, policy in enumerate(POLICIES):
        found = [_goodput_row(rows, setting, policy)["goodput"] for setting in SETTINGS]
        panel.bar(
            [at + (number - 1.5) * width for at in range(len(SETTINGS))],
            [value for value, _ in found],
            width,
            yerr=[deviation for _, deviation in found],
            color=COLORS[policy],
            label=policy,
        )
    panel.set_xticks(range(len(SETTINGS)), [f"{name}\n{trace}" for name, trace in SETTINGS])
    panel.set_ylabel("goodput, in multiples of FIFO's capacity")
    panel.legend(frameon=False)
    return figure


def devices(rows: Sequence[Row]) -> Figure:
    """p95 waits of level 0 by number of devices, a panel for each load."""
    figure, panels = _panels(len(DEVICE_LOADS), width=9)
    for load, panel in zip(DEVICE_LOADS, panels, strict=True):
        for policy in POLICIES:
            found = [
                mean(find(rows, kind="devices", devices=n, load=load, policy=policy), "p95_0")
                for n in DEVICES
            ]
            panel.plot(DEVICES, found, marker="o", color=COLORS[policy], label=policy)
        panel.set(title=f"load {load:g} per device", yscale="log", xlabel="devices")
        panel.set_xscale("log", base=2)
        panel.set_xticks(DEVICES, [str(number) for number in DEVICES])
    panels[0].set_ylabel("level 0: 95 % wait at most so long, s")
    panels[0].legend(frameon=False)
    return figure


def fairness(rows: Sequence[Row]) -> Figure:
    """What a user who floods the queue costs the others: their p95 waits, and Jain's index."""
    figure, panels = _panels(2, width=9)
    figures = (("light_p95", FAIRNESS_LOADS[0]), ("jain", FAIRNESS_LOADS[1]))
    for (name, load), panel in zip(figures, panels, strict=True):
        for shift, level in ((-0.2, 1), (0.2, 2)):
            found = [
                mean(find(rows, kind="fairness", level=level, load=load, policy=policy), name)
                for policy in POLICIES
            ]
            panel.bar(
                [at + shift for at in range(len(POLICIES))],
                found,
                0.38,
                color=[COLORS[policy] for policy in POLICIES],
                alpha=1.0 if level == 1 else 0.5,
            )
        panel.set_xticks(range(len(POLICIES)), POLICIES)
    panels[0].set(title="the other users' waits", ylabel="95 % wait at most so long, s")
    panels[1].set(title="Jain's index, all flooding", ylim=(0, 1))
    figure.supxlabel("dark: all requests of level 1, pale: of level 2", fontsize=8)
    return figure


def _panels(count: int, width: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, 3.6), layout="constrained")
    panels = [figure.add_subplot(1, count, number + 1) for number in range(count)]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", alpha=0.3)
    return figure, panels


def _by_load(panel: Axes, rows: Sequence[Row], name: str) -> None:
    wanted = {"kind": "waits", "workload": "reference", "trace": "poisson"}
    for policy in POLICIES:
        found = [mean(find(rows, **wanted, load=load, policy=policy), name) for load in LOADS]
        panel.plot(LOADS, found, marker="o", markersize=3, color=COLORS[policy], label=policy)


def _goodput_row(rows: Sequence[Row], setting: tuple[str, str], policy: str) -> Row:
    workload, trace = setting
    return find(rows, kind="goodput", workload=workload, trace=trace, policy=policy)
