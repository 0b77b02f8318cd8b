"""From what evaluations found to one page of Markdown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from services.emotion.evaluation.conditions import NOISE
from services.emotion.evaluation.figures import SHARE, Interval
from services.emotion.evaluation.pictures import draw, plots_of
from services.emotion.evaluation.result import Report, Result
from services.emotion.evaluation.robustness import Suffered, at

METRICS, PAGE = "metrics.json", "report.md"

_FAST = (
    "**A fast run on a few clips: these figures show that everything runs, and nothing of how good "
    "the models are.**"
)

#: Promises are told of in one place alone, beside which that page lies.
_BY_WHOM = (
    "Of the models that come with Orfeón. Written by `make evaluate`; how everything is measured "
    "is in [Evaluating classifiers](../emotion-evaluation.md)."
)


def write(report: Report, folder: Path) -> None:
    """The page, its plots and `metrics.json`. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in report.results:
        draw(result, folder)
    report.save(folder / METRICS)
    (folder / PAGE).write_text(page(report), "utf-8")


def page(report: Report) -> str:
    """The whole report, which names the plots beside it."""
    parts = ["# Evaluation of classifiers of speech"]
    if report.fast:
        parts.append(_FAST)
    if report.goals:
        parts.append(_BY_WHOM)
        header = ("what", "wanted", "found", "kept")
        rows = [
            (goal.what, goal.wanted, goal.found, "yes" if goal.met else "**no**")
            for goal in report.goals
        ]
        parts += ["## What was promised", table(header, rows)]
    parts += ["## All at once", _overview(report.results)]
    for result in report.results:
        parts += _section(result)
    parts.append(f"Intervals hold {SHARE:.0%} of the bootstrap samples; seed {report.seed}.")
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    first, *rest = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([first, "|---" * len(header) + "|", *rest])


def _overview(results: Sequence[Result]) -> str:
    header = (
        "evaluation", "model", "clips", "accuracy", "over speakers", "unweighted average recall",
        "macro F1", "calibration error before", "and after",
    )  # fmt: skip
    return table(
        header,
        [
            (
                result.about.title,
                result.about.model,
                str(result.figures.clips),
                f"**{result.figures.accuracy:.3f}**",
                _span(result.intervals.accuracy_over_speakers),
                f"{result.figures.unweighted_average_recall:.3f}",
                f"{result.figures.macro_f1:.3f}",
                f"{result.calibration.before.error:.3f}",
                f"{result.calibration.after.error:.3f}",
            )
            for result in results
        ],
    )


def _section(result: Result) -> Iterator[str]:
    found, plots = result.figures, plots_of(result)
    yield f"## {result.about.title}: {result.about.model}"
    yield result.about.method
    yield table(
        ("", "", "over clips", "over speakers"),
        [
            (
                "accuracy",
                f"{found.accuracy:.3f}",
                _span(result.intervals.accuracy_over_clips),
                _span(result.intervals.accuracy_over_speakers),
            ),
            (
                "unweighted average recall",
                f"{found.unweighted_average_recall:.3f}",
                _span(result.intervals.recall_over_clips),
                _span(result.intervals.recall_over_speakers),
            ),
            ("macro precision", f"{found.macro_precision:.3f}", "", ""),
            ("macro F1", f"{found.macro_f1:.3f}", "", ""),
        ],
    )
    yield _labels(result)
    if found.unanswered:
        yield f"{found.unanswered} clips got no answer, which counts as wrong."
    if result.skipped:
        yield f"{len(result.skipped)} clips could not be read and were left out:"
        yield "\n".join(f"* {each}" for each in result.skipped)
    yield _picture("Who is taken for whom, in clips", plots["confusion-counts"])
    yield _picture("Who is taken for whom, in shares", plots["confusion-normalised"])
    yield _picture("Each label against all others", plots["confusion-one-vs-rest"])
    yield from _voices(result, plots["speakers"])
    yield (
        f"Expected calibration error {result.calibration.before.error:.3f} "
        f"{result.calibration.before_is}, {result.calibration.after.error:.3f} "
        f"{result.calibration.after_is}."
    )
    yield _picture("Reliability", plots["reliability"])
    yield from _suffering(result, plots)
    if cost := result.cost:
        yield (
            f"A second of audio takes {cost.median_ms:.1f} ms (median of {cost.clips} clips; p95 "
            f"{cost.p95_ms:.1f}, p99 {cost.p99_ms:.1f}), loading {cost.load_seconds:.1f} s. The "
            f"process took {cost.peak_bytes / 1e6:.0f} MB at most."
        )


def _labels(result: Result) -> str:
    found = result.figures
    header = ("is \\ called", *found.labels, "precision", "recall", "F1", "clips")
    return table(
        header,
        [
            (
                label,
                *map(str, found.confusion[place]),
                *(f"{rate[place]:.3f}" for rate in (found.precision, found.recall, found.f1)),
                str(found.support[place]),
            )
            for place, label in enumerate(found.labels)
        ],
    )


def _voices(result: Result, plot: str) -> Iterator[str]:
    names = list(result.speakers)
    if len(names) > 1:
        rates = [rate for _, rate in result.speakers.values()]
        yield (
            f"By speaker accuracy lies between {rates[0]:.3f} ({names[0]}) and {rates[-1]:.3f} "
            f"({names[-1]}), with {rates[len(rates) // 2]:.3f} in the middle."
        )
    if result.folds:
        spread = ", ".join(f"{fold.accuracy:.3f}" for fold in result.folds)
        yield f"By fold: {spread}."
    yield _picture("Accuracy by speaker", plot)


def _suffering(result: Result, plots: dict[str, str]) -> Iterator[str]:
    noise = [each for each in result.robustness if each.family == NOISE]
    rest = [each for each in result.robustness if each.family != NOISE]
    if noise:
        levels = sorted({each.level for each in noise}, reverse=True)
        kinds = list(dict.fromkeys(each.kind for each in noise))
        rows = [
            _levels([each for each in noise if each.kind == kind], kind, levels) for kind in kinds
        ]
        pooled = [each for level in levels if (each := at(noise, NOISE, level))]
        yield (
            "Accuracy in noise, by kind and signal-to-noise ratio; clean is the same clips without."
        )
        header = ("noise", "clean", *(f"{level:g} dB" for level in levels))
        yield table(header, [*rows, _levels(pooled, "**all kinds**", levels)])
        yield _picture("Accuracy against noise", plots["noise"])
    if rest:
        yield "Accuracy over lines, in rooms and at bad levels, beside the same clips without:"
        header = ("", "clips", "clean", "so", "fall")
        yield table(
            header,
            [
                (
                    f"{each.kind} {each.level:g} {each.unit}",
                    str(each.clips),
                    f"{each.clean:.3f}",
                    f"{each.accuracy:.3f}",
                    f"{each.clean - each.accuracy:+.3f}",
                )
                for each in rest
            ],
        )
        yield _picture("Accuracy over lines, in rooms and at bad levels", plots["channels"])


def _levels(curve: Sequence[Suffered], kind: str, levels: Sequence[float]) -> tuple[str, ...]:
    by_level = {each.level: each for each in curve}
    cells = [f"{by_level[level].accuracy:.3f}" if level in by_level else "" for level in levels]
    return (kind, f"{curve[0].clean:.3f}", *cells)


def _span(interval: Interval | None) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""


def _picture(text: str, name: str) -> str:
    return f"![{text}]({name})"
