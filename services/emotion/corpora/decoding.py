"""Clips as samples; those that cannot be read are named and left out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.emotion.corpora.recording import Recording
from services.emotion.engine import SAMPLE_RATE, Samples
from services.runtime.audio import AudioLimits, decode
from services.runtime.errors import ContentTooLarge, InvalidAudio

_LIMITS = AudioLimits(max_seconds=60.0)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A clip that was left out, and why."""

    path: Path
    reason: str


def samples_of(path: Path) -> Samples:
    """The clip, shape `(samples,)` at `SAMPLE_RATE`.

    Raises `InvalidAudio`, `ContentTooLarge` for more than a minute, and `OSError`.
    """
    with path.open("rb") as file:
        return decode(file, SAMPLE_RATE, _LIMITS)


def listened(
    recordings: Iterable[Recording], skipped: list[Skipped]
) -> Iterator[tuple[Recording, Samples]]:
    """Each recording with its samples, one after the other; what cannot be read joins `skipped`."""
    for recording in recordings:
        try:
            yield recording, samples_of(recording.path)
        except (InvalidAudio, ContentTooLarge) as error:
            skipped.append(Skipped(recording.path, error.message))
        except OSError as error:
            skipped.append(Skipped(recording.path, f"{error.strerror or error}."))
