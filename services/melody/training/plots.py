"""The pictures of `docs/melody.md`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from services.melody.composition import BEATS, PARTS
from services.melody.tokens import DURATIONS
from services.melody.training.pieces import Written
from services.melody.training.statistics import WIDEST, Habits

Floats = NDArray[np.float64]
mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
_PITCHES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
_COLOURS = {"lead": "#c0392b", "chords": "#95a5a6", "bass": "#2c3e50", "drums": "#e0a030"}


def losses(history: Sequence[Mapping[str, float]], baseline: float, path: Path) -> None:
    """The losses of a training; `baseline` is that of n-grams on the held-out songs."""
    figure = Figure(figsize=(5, 2.6), layout="constrained")
    axes = figure.subplots()
    steps = [each["step"] for each in history]
    axes.plot(steps, [each["train"] for each in history], label="training", color="#95a5a6")
    axes.plot(steps, [each["held_out"] for each in history], label="held out", color="#c0392b")
    axes.axhline(baseline, ls=":", color="#2c3e50", label="best n-grams, held out")
    axes.set(xlabel="step", ylabel="nats a token")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def habits(corpus: Habits, written: Habits, path: Path) -> None:
    """The corpus and what is written, side by side."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    names = {
        "pitches": ("pitch class in C major or A minor", _PITCHES),
        "onsets": ("sixteenth of the bar at which a note begins", [str(at) for at in range(16)]),
        "lengths": ("length in sixteenths", [str(length) for length in DURATIONS]),
        "intervals": (
            "interval in semitones",
            [str(at) if at % 4 == 0 else "" for at in range(-WIDEST, WIDEST + 1)],
        ),
    }
    for axes, (name, (title, labels)) in zip(
        figure.subplots(2, 2).flat, names.items(), strict=True
    ):
        places = np.arange(len(labels))
        axes.bar(places - 0.2, getattr(corpus, name), 0.4, label="corpus", color="#2c3e50")
        axes.bar(places + 0.2, getattr(written, name), 0.4, label="written", color="#c0392b")
        axes.set_xticks(places, labels)
        axes.set_title(title)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside upper right")
    figure.savefig(path, dpi=110)


def similarities(found: Mapping[str, Floats], path: Path) -> None:
    """Which bars are like which."""
    figure = Figure(figsize=(4 * len(found), 3.8), layout="constrained")
    for axes, (title, matrix) in zip(
        figure.subplots(1, len(found)).flat, found.items(), strict=True
    ):
        axes.imshow(matrix, cmap="magma", vmin=0, vmax=1, origin="lower")
        axes.set(title=title, xlabel="bar", ylabel="bar")
    figure.savefig(path, dpi=110)


def confusion(labels: Sequence[str], matrix: Floats, title: str, path: Path) -> None:
    """Which label was taken for which, rows what it is."""
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    for row, column in np.argwhere(matrix >= 0.01):
        share = matrix[row, column]
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour, fontsize=6)
    axes.set(title=title, xlabel="called", ylabel="is")
    figure.savefig(path, dpi=110)


def roll(piece: Written, path: Path, bars: int = 16) -> None:
    """The first bars as a piano roll, the drums below."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for part in reversed(PARTS):
        for note in piece.notes(part):
            if note.start < bars * BEATS:
                height = note.pitch - (18 if part == "drums" else 0)
                # Repeated notes are apart.
                width = 0.2 if part == "drums" else note.duration - 0.08
                axes.barh(height, width, left=note.start, height=0.9, color=_COLOURS[part])
    start = 0
    for passage in piece.passages:
        if start < bars * BEATS:
            axes.axvline(start, color="#bbbbbb", lw=0.6, zorder=0)
            axes.text(start + 0.2, 84, passage.kind)
        start += passage.bars * BEATS
    axes.set(xlim=(0, bars * BEATS), ylim=(14, 88), xlabel="beat", ylabel="MIDI note")
    axes.set_title(f"{piece.plan.genre}, {piece.plan.tempo:.0f} beats a minute")
    figure.savefig(path, dpi=110)
