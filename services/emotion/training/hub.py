"""Data sets of a Hugging Face hub: audio, and a column of classes to learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.emotion.corpora import Recording
from services.emotion.training.errors import Misuse

#: Columns that hold what is to be learned, and who speaks; the first that is there is taken.
LABELS = ("label", "labels", "emotion", "intent_class", "intent", "keyword", "language", "class")
SPEAKERS = ("speaker_id", "speaker", "client_id", "actor", "user_id")

#: How data sets call the parts that we know.
_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation",
          "test": "test"}  # fmt: skip


def downloaded(name: str, folder: Path) -> list[Recording]:
    """The clips of the data set `organisation/name` or `organisation/name:configuration`.

    Its audio is written below `folder` as it comes. Needs the package `datasets`. Raises `Misuse`.
    """
    try:
        import datasets
    except ImportError as error:
        raise Misuse(
            f"{name} is no folder here. To take it for a data set of a Hugging Face hub, install "
            "the package for them: pip install datasets."
        ) from error
    name, _, configuration = name.partition(":")
    try:
        parts = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # Whatever a data set's own code and the network may raise.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise Misuse(f"The data set {name} cannot be loaded: {reason}") from error
    rows = (
        recording
        for part, table in parts.items()
        for recording in _recordings(datasets, name, part, table, folder, alone=len(parts) == 1)
    )
    return list(rows)


def _recordings(
    datasets: Any, name: str, part: str, table: Any, folder: Path, *, alone: bool
) -> list[Recording]:
    audio = _audio_column(datasets, name, table.features)
    label = _column(table.column_names, LABELS)
    speaker = _column(table.column_names, SPEAKERS)
    if not label:
        raise Misuse(
            f"The data set {name} has none of the columns {', '.join(LABELS)}. Write its clips "
            "down in a table with the columns path and label."
        )
    names = getattr(table.features[label], "names", None)
    found = []
    for number, row in enumerate(table.cast_column(audio, datasets.Audio(decode=False))):
        word = names[row[label]] if names else str(row[label])
        who = f"{name}/{row[speaker]}" if speaker else ""
        path = _written(row[audio], folder / part, number)
        # One part alone, as most have it, is no split but all there is.
        found.append(Recording(path, word, who, "" if alone else _PARTS.get(part, "train")))
    return found


def _audio_column(datasets: Any, name: str, features: Any) -> str:
    for column, feature in features.items():
        if isinstance(feature, datasets.Audio):
            return str(column)
    raise Misuse(f"The data set {name} has no audio.")


def _column(have: Sequence[str], wanted: Sequence[str]) -> str:
    return next((column for column in wanted if column in have), "")


def _written(audio: dict[str, Any], folder: Path, number: int) -> Path:
    """The file of a clip: where it lies already, or written from its bytes."""
    named = Path(audio.get("path") or "clip.wav")
    if audio.get("bytes") is None:
        return named
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:06d}{named.suffix}"
    path.write_bytes(audio["bytes"])
    return path
