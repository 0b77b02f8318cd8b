"""The plots of a report."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from services.emotion.evaluation.calibration import BINS, Calibration
from services.emotion.evaluation.conditions import NOISE
from services.emotion.evaluation.result import Result
from services.emotion.evaluation.robustness import Suffered, at

_DPI = 100


def plots_of(result: Result) -> dict[str, str]:
    """What each plot of a result is called, by what it shows."""
    return {what: f"{result.about.name}-{what}.png" for what in _drawn(result)}


def draw(result: Result, folder: Path) -> None:
    """Every plot into `folder`."""
    names = plots_of(result)
    for what, plot in _drawn(result).items():
        figure = Figure(layout="constrained")
        plot(figure, result)
        # No version of matplotlib: the same figures give the same file.
        figure.savefig(folder / names[what], dpi=_DPI, metadata={"Software": None})


def _drawn(result: Result) -> dict[str, Callable[[Figure, Result], None]]:
    drawn: dict[str, Callable[[Figure, Result], None]] = {
        "confusion-counts": _counts,
        "confusion-normalised": _normalised,
        "confusion-one-vs-rest": _one_vs_rest,
        "reliability": _reliability,
        "speakers": _speakers,
    }
    if any(each.family == NOISE for each in result.robustness):
        drawn["noise"] = _noise
    if any(each.family != NOISE for each in result.robustness):
        drawn["channels"] = _channels
    return drawn


def _counts(figure: Figure, result: Result) -> None:
    _matrix(figure, np.array(result.figures.confusion), result.figures.labels, "d", "clips")


def _normalised(figure: Figure, result: Result) -> None:
    counts = np.array(result.figures.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    _matrix(figure, shares, result.figures.labels, ".2f", "share of what was said")


def _matrix(
    figure: Figure, values: NDArray[np.generic], labels: Sequence[str], form: str, what: str
) -> None:
    figure.set_size_inches(5.6, 4.8)
    axes = figure.subplots()
    shown = ConfusionMatrixDisplay(values, display_labels=labels)
    shown.plot(ax=axes, cmap="Blues", values_format=form, xticks_rotation=45, colorbar=False)
    axes.set(xlabel="called", ylabel="is", title=what)


def _one_vs_rest(figure: Figure, result: Result) -> None:
    """Each label against all others: what was said and heard, missed, made up."""
    counts = np.array(result.figures.confusion)
    labels = result.figures.labels
    columns = min(3, len(labels))
    rows = -(-len(labels) // columns)
    figure.set_size_inches(2.3 * columns, 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, axes in enumerate(grid):
        if place >= len(labels):
            axes.axis("off")
            continue
        hit = counts[place, place]
        missed, made_up = counts[place].sum() - hit, counts[:, place].sum() - hit
        other = counts.sum() - hit - missed - made_up
        values = np.array([[hit, missed], [made_up, other]])
        shown = ConfusionMatrixDisplay(values, display_labels=[labels[place], "rest"])
        shown.plot(ax=axes, cmap="Blues", values_format="d", colorbar=False)
        axes.set(xlabel="called", ylabel="is" if place % columns == 0 else "")


def _reliability(figure: Figure, result: Result) -> None:
    figure.set_size_inches(8, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    before, after = result.calibration.before, result.calibration.after
    for axes, found, title in (
        (left, before, result.calibration.before_is),
        (right, after, result.calibration.after_is),
    ):
        _diagram(axes, found, f"{title}\nexpected calibration error {found.error:.3f}")
    left.set_ylabel("share that is right")


def _diagram(axes: Axes, found: Calibration, title: str) -> None:
    edges = np.arange(BINS) / BINS
    filled = [at for at, each in enumerate(found.bins) if each.clips]
    axes.bar(
        edges[filled], [found.bins[at].accuracy for at in filled], 1 / BINS, align="edge", alpha=0.6
    )
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    clips = np.array([each.clips for each in found.bins])
    axes.step([*edges, 1], [*clips / clips.sum(), 0], where="post", color="black", linewidth=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (line: share of clips)")
    axes.set_title(title, fontsize=10)


def _speakers(figure: Figure, result: Result) -> None:
    names = list(result.speakers)
    figure.set_size_inches(8, 3)
    axes = figure.subplots()
    axes.bar(range(len(names)), [result.speakers[name][1] for name in names])
    axes.axhline(result.figures.accuracy, color="black", linewidth=0.8)
    if len(names) <= 40:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set(ylim=(0, 1), ylabel="accuracy", title="by speaker (line: all)")


def _noise(figure: Figure, result: Result) -> None:
    figure.set_size_inches(8, 4.5)
    axes = figure.subplots()
    suffered = [each for each in result.robustness if each.family == NOISE]
    levels = sorted({each.level for each in suffered}, reverse=True)
    places = range(len(levels) + 1)
    # Twelve kinds and more: the usual ten colours would come twice.
    axes.set_prop_cycle(color=[colormaps["tab20"](at) for at in range(20)])
    for kind in dict.fromkeys(each.kind for each in suffered):
        own = {each.level: each for each in suffered if each.kind == kind}
        _curve(axes, places, [own[level] for level in levels], kind, alpha=0.5)
    pooled = [each for level in levels if (each := at(suffered, NOISE, level))]
    _curve(axes, places, pooled, "all kinds", alpha=1, linewidth=3, color="black")
    axes.set_xticks(places, ["clean", *(f"{level:g}" for level in levels)])
    axes.set(ylim=(0, 1), xlabel="signal-to-noise ratio, dB", ylabel="accuracy")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=3, loc="lower left")


def _curve(
    axes: Axes,
    places: Sequence[int],
    curve: Sequence[Suffered],
    label: str,
    *,
    alpha: float,
    linewidth: float = 1.2,
    color: str | None = None,
) -> None:
    values = [curve[0].clean, *(each.accuracy for each in curve)]
    axes.plot(
        places, values, marker=".", label=label, alpha=alpha, linewidth=linewidth, color=color
    )


def _channels(figure: Figure, result: Result) -> None:
    figure.set_size_inches(8, 4)
    axes = figure.subplots()
    rest = [each for each in result.robustness if each.family != NOISE]
    places = np.arange(len(rest))
    axes.bar(places - 0.2, [each.clean for each in rest], 0.4, label="the same clips, clean")
    axes.bar(places + 0.2, [each.accuracy for each in rest], 0.4, label="as they suffer")
    names = [f"{each.kind}\n{each.level:g} {each.unit}" for each in rest]
    axes.set_xticks(places, names, rotation=60, fontsize=8)
    axes.set(ylim=(0, 1), ylabel="accuracy")
    figure.legend(loc="outside upper center", ncols=2)
