"""From what `--data` names to the clips of a training, checked, split and written down."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.emotion.corpora import (
    CorpusError,
    Labelling,
    Recording,
    Skipped,
    from_table,
    listened,
    read,
)
from services.emotion.corpora.labels import labels_of
from services.emotion.training.errors import Misuse
from services.emotion.training.hub import downloaded
from services.emotion.training.recipe import Recipe
from services.emotion.training.splits import check, split

#: Data sets of a hub are called `organisation/name`, with a configuration where they have several.
_ON_A_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?")

#: More clips than this share unreadable are no accident.
MOST_SKIPPED = 0.5

#: Goes through the recordings, showing how far it is.
Track = Callable[[Sequence[Recording]], Iterable[Recording]]


@dataclass(frozen=True)
class Clips:
    """The clips of a training, each with its part in `split`, and what was left out."""

    recordings: list[Recording]
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """Ours in our order, then others by name."""
        return labels_of(self.recordings)

    def part(self, name: str) -> list[Recording]:
        """The clips of `train`, `validation` or `test`."""
        return [recording for recording in self.recordings if recording.split == name]


def prepare(recipe: Recipe, downloads: Path, track: Track) -> Clips:
    """Reads, renames, listens to and splits the clips that a recipe names.

    What is downloaded is put into `downloads`; nothing else is written. Raises `Misuse`.
    """
    try:
        found = _labelled(_read(recipe.data, downloads), recipe)
    except CorpusError as error:
        raise Misuse(str(error)) from error
    check(found)
    skipped: list[Skipped] = []
    readable = [recording for recording, _ in listened(track(found), skipped)]
    if len(skipped) > MOST_SKIPPED * len(found):
        raise Misuse(
            f"{len(skipped)} of {len(found)} clips cannot be read, such as {skipped[0].path.name}: "
            f"{skipped[0].reason}"
        )
    recordings, warnings = split(
        readable, recipe.split, recipe.held_out, recipe.seed, choosing=recipe.method == "full"
    )
    return Clips(recordings, skipped, warnings)


def save(clips: Clips, table: Path) -> None:
    """Writes the clips as a table such as `--data` reads, with paths that start at the root, and
    beside it what was left out and warned of. The table is there last, and whole.
    """
    notes = {
        "skipped": [[str(each.path.absolute()), each.reason] for each in clips.skipped],
        "warnings": clips.warnings,
    }
    table.with_suffix(".json").write_text(json.dumps(notes, indent=2) + "\n", "utf-8")
    part = table.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker", "split"])
        for each in clips.recordings:
            writer.writerow([each.path.absolute(), each.label, each.speaker, each.split])
    part.replace(table)


def load(table: Path) -> Clips:
    """Reads what `save` wrote. Raises `Misuse`, also where a clip has gone since."""
    try:
        recordings = from_table(table)
        notes = json.loads(table.with_suffix(".json").read_text("utf-8"))
        skipped = [Skipped(Path(path), reason) for path, reason in notes["skipped"]]
        warnings = [str(warning) for warning in notes["warnings"]]
    except (CorpusError, OSError, ValueError, TypeError, KeyError) as error:
        raise Misuse(
            f"{table.parent} holds no training to resume; start one without --resume."
        ) from error
    if gone := [recording for recording in recordings if not recording.path.is_file()]:
        raise Misuse(
            f"{len(gone)} clips of the training have gone, such as {gone[0].path.name}; put them "
            "back, or start a new training."
        )
    # Who reads a table puts its name before those of its speakers.
    named = [
        replace(each, speaker=each.speaker.removeprefix(f"{table.stem}/")) for each in recordings
    ]
    return Clips(named, skipped, warnings)


def _read(data: str, downloads: Path) -> list[Recording]:
    path = Path(data)
    if not path.exists() and _ON_A_HUB.fullmatch(data) and path.suffix.lower() != ".csv":
        return downloaded(data, downloads)
    return read(path)


def _labelled(recordings: list[Recording], recipe: Recipe) -> list[Recording]:
    names = dict(recipe.merge) | dict.fromkeys(recipe.drop, "")
    renamed = Labelling(names)(recordings)
    if recipe.labels:
        _check_labels(Counter(recording.label for recording in renamed), recipe.labels)
    return renamed


def _check_labels(counts: Counter[str], wanted: Sequence[str]) -> None:
    """Raises `Misuse` unless the data has these labels and no others."""
    for label, count in counts.items():
        if label not in wanted:
            raise Misuse(
                f"{count} clips are labelled '{label}', which is not among --labels "
                f"{','.join(wanted)}. Name it there, --drop {label}, or --merge {label}=another."
            )
    for label in wanted:
        if label not in counts:
            raise Misuse(
                f"No clip is labelled '{label}', which --labels names; the data has "
                f"{', '.join(sorted(counts))}."
            )
