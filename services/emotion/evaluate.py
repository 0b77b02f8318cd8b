"""Evaluates the recipe on RAVDESS: `python -m services.emotion.evaluate --data FOLDER`.

Six folds of four actors. For each, the head is fitted anew on the other twenty actors - scaling,
weights and the choice of regularisation - and then hears four whom it has never heard.
"""

import sys

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.emotion.corpus import LABELS, CorpusError
from services.emotion.examples import Examples
from services.emotion.fitting import answers, fit, speaker_folds
from services.emotion.metrics import Report, report
from services.emotion.preparation import data_folder, prepared
from services.emotion.settings import EmotionSettings

FOLDS = 6


def evaluate(examples: Examples, console: Console) -> Report:
    """Answers every example with a head that has not heard its speaker."""
    given = np.empty_like(examples.labels)
    folds = list(speaker_folds(examples.speakers, FOLDS))
    for train, test in track(folds, "Fitting without four actors", console=console):
        head, strength = fit(examples.of(train))
        given[test] = answers(head, examples.of(test))
        right = float((given[test] == examples.labels[test]).mean())
        actors = ", ".join(map(str, np.unique(examples.speakers[test])))
        console.print(f"actors {actors}: accuracy {right:.3f} (C={strength:g})")
    return report(LABELS, examples.labels, given)


def main() -> None:
    """See the module."""
    console = Console()
    try:
        examples = prepared(data_folder(str(__doc__)), EmotionSettings(), console)
    except CorpusError as error:
        sys.exit(str(error))
    found = evaluate(examples, console)
    show(found, console)


def show(found: Report, console: Console) -> None:
    """Prints the figures: a row for what a clip is, a column for what it was called."""
    table = Table("", *found.labels, "precision", "recall", "F1", box=None, collapse_padding=True)
    rates = np.stack([found.precision, found.recall, found.f1], axis=1)
    for label, row, rate in zip(found.labels, found.confusion, rates, strict=True):
        table.add_row(label, *map(str, row), *(f"{value:.3f}" for value in rate))
    console.print(table)
    macro = rates.mean(axis=0)
    console.print(
        f"{found.confusion.sum()} clips, leave-speakers-out: accuracy {found.accuracy:.3f}, "
        f"macro precision {macro[0]:.3f}, macro recall {macro[1]:.3f}, macro F1 {macro[2]:.3f}"
    )


if __name__ == "__main__":
    main()
