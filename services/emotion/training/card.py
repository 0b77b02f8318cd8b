"""The model card of a trained classifier: what it is, of what data, how good, and for what not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.emotion.corpora import Recording
from services.emotion.evaluation.result import Result
from services.emotion.training.data import Clips
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights
from services.emotion.training.splits import TEST, TRAIN, VALIDATION

#: What each part is called in a model card.
_PARTS = {TRAIN: "trained on", VALIDATION: "chosen by", TEST: "tested with"}


@dataclass(frozen=True)
class Outcome:
    """What came of a training. `base` is what it started from, in words; `part` what `result` is
    of; `about` are sentences for the model card on what was trained and how.
    """

    name: str
    recipe: Recipe
    base: str
    rights: Rights
    clips: Clips
    part: str
    temperature: float
    result: Result
    about: str
    settings: Mapping[str, Any]
    curve: bool
    """Whether there is a `loss.png`."""


def headline(result: Result) -> dict[str, float]:
    """The three figures that a training is told by."""
    found = result.figures
    return {
        "accuracy": found.accuracy,
        "uar": found.unweighted_average_recall,
        "f1": found.macro_f1,
    }


def card(outcome: Outcome, pictures: Mapping[str, str]) -> str:
    """The model card, in Markdown. It names no file and no folder of the machine."""
    result, recipe, rights = outcome.result, outcome.recipe, outcome.rights
    warnings = "".join(f"\n**Mind:** {warning}\n" for warning in outcome.clips.warnings)
    settings = "\n".join(f"| {name} | {value} |" for name, value in outcome.settings.items())
    interval = result.intervals.accuracy_over_speakers or result.intervals.accuracy_over_clips
    over = "voices" if result.intervals.accuracy_over_speakers else "clips"
    shown = "\n\n".join(f"![{what}]({name})" for what, name in pictures.items())
    loss = "\n\n![Loss](loss.png)" if outcome.curve else ""
    found = headline(result)
    about = f"{interval.low:.3f} to {interval.high:.3f} on other {over}, 95 %"
    return f"""# {outcome.name}

Tells {recipe.classifies} in a recording: {", ".join(result.figures.labels)}. {outcome.about}

## Use

Put this folder below `<home>/models/` under its name; then `POST /v1/audio/classifications` with
`model={outcome.name}`. A service that runs finds it by itself.

## Licence

{rights.licence}. {rights.provenance}

## Data

{_table(outcome.clips)}

{_split(outcome)}
{warnings}
## Figures

On {result.figures.clips} clips {_OF[outcome.part]}, heard whole and as the service hears them:

| | |
|---|---|
| accuracy | {found["accuracy"]:.3f} ({about}) |
| unweighted average recall | {found["uar"]:.3f} |
| macro F1 | {found["f1"]:.3f} |
| expected calibration error | {result.calibration.after.error:.3f} |

{_by_label(result)}

{shown}{loss}

## Limits

It tells these labels apart and no others: of anything else it says the likeliest of them. It has
heard the voices, languages, microphones and rooms of its data; with others it is worse, and how
much worse only a test with them tells: `orfeon eval classifier`. Acted emotion is clearer than
real emotion. Do not decide on people by it.

## Settings

| setting | value |
|---|---|
{settings}
"""


_OF = {
    TEST: "that it was neither trained on nor chosen by",
    VALIDATION: "that it was not trained on, but chosen by, which flatters it",
}


def _table(clips: Clips) -> str:
    parts = [part for part in _PARTS if clips.part(part)]
    counts = {part: Counter(each.label for each in clips.part(part)) for part in parts}
    rows = [
        f"| {label} | " + " | ".join(str(counts[part][label]) for part in parts) + " |"
        for label in clips.labels
    ]
    head = "| label | " + " | ".join(_PARTS[part] for part in parts) + " |"
    return "\n".join([head, "|---" * (len(parts) + 1) + "|", *rows])


def _split(outcome: Outcome) -> str:
    speakers = {part: _speakers(outcome.clips.part(part)) for part in _PARTS}
    known = ", ".join(
        f"{len(names)} {_PARTS[part]}" for part, names in speakers.items() if names - {""}
    )
    skipped = len(outcome.clips.skipped)
    left_out = f" {skipped} clips could not be read and were left out." if skipped else ""
    return f"Speakers: {known or 'not known'}.{left_out}"


def _speakers(recordings: Sequence[Recording]) -> set[str]:
    return {recording.speaker for recording in recordings}


def _by_label(result: Result) -> str:
    found = result.figures
    rows = [
        f"| {label} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {support} |"
        for label, precision, recall, f1, support in zip(
            found.labels, found.precision, found.recall, found.f1, found.support, strict=True
        )
    ]
    return "\n".join(["| label | precision | recall | F1 | clips |", "|---" * 5 + "|", *rows])
