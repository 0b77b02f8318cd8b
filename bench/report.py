"""Prints what was measured: one line a figure, with its target and whether it was met."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure. `target` is the bound; `at_least` says on which side of it to be."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = True
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def print_figures(title: str, figures: Sequence[Figure]) -> None:
    """Prints a table of figures."""
    print(f"\n{title}")
    for figure in figures:
        bound = ""
        if figure.target is not None:
            sign = ">=" if figure.at_least else "<="
            bound = f"{sign} {figure.target:g} {'met' if figure.met else 'MISSED'}"
        print(f"  {figure.name:<58} {figure.value:>10.3f} {figure.unit:<6} {bound}  {figure.note}")


def spread(values: Sequence[float]) -> str:
    """Median and range of the rounds, for the note."""
    return f"rounds {min(values):.2f}..{max(values):.2f}, median {statistics.median(values):.2f}"
