"""Our words for emotions, and how labels are merged, renamed and left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from services.emotion.corpora.recording import CorpusError, Recording

#: The emotions that nearly every corpus has.
SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
#: All that RAVDESS has.
EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@dataclass(frozen=True)
class Labelling:
    """What labels are to be called, and which are kept.

    `names` maps a label to another, or to nothing, which leaves its clips out. Where `keep` is not
    empty, every other label is left out after that.
    """

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    keep: Sequence[str] = ()

    @classmethod
    def parse(cls, merge: str, drop: str = "", keep: str = "") -> "Labelling":
        """From a command line: `calm=neutral,joy=happy`, `surprised,bored`, `neutral,happy`.

        Raises `CorpusError`.
        """
        pairs: dict[str, str] = {}
        for part in _parts(merge):
            old, equals, new = (piece.strip() for piece in part.partition("="))
            if not (equals and old and new):
                raise CorpusError(
                    f"'{part}' renames no label: write calm=neutral to call calm neutral, with a "
                    "comma between several."
                )
            pairs[old] = new
        return cls(pairs | dict.fromkeys(_parts(drop), ""), _parts(keep))

    def __call__(self, recordings: Iterable[Recording]) -> list[Recording]:
        """The recordings under their new labels.

        Raises `CorpusError` for a label to rename or keep that no recording has, and where nothing
        is left.
        """
        recordings = list(recordings)
        self._check("renamed or left out", self.names, {each.label for each in recordings})
        named = self._renamed(recordings)
        self._check("kept", self.keep, {each.label for each in named})
        kept = self._kept(named)
        if not kept:
            raise CorpusError("No recording is left: every label is left out.")
        return kept

    def each(self, *corpora: Sequence[Recording]) -> list[list[Recording]]:
        """The same of several corpora, each of which may lack what another has."""
        self([recording for recordings in corpora for recording in recordings])
        return [self._kept(self._renamed(recordings)) for recordings in corpora]

    def _renamed(self, recordings: Iterable[Recording]) -> list[Recording]:
        return [
            replace(recording, label=self.names.get(recording.label, recording.label))
            for recording in recordings
        ]

    def _kept(self, recordings: Iterable[Recording]) -> list[Recording]:
        return [
            recording
            for recording in recordings
            if recording.label and (not self.keep or recording.label in self.keep)
        ]

    @staticmethod
    def _check(what: str, wanted: Iterable[str], have: set[str]) -> None:
        for label in wanted:
            if label not in have:
                raise CorpusError(
                    f"No recording is labelled '{label}', which is to be {what}; the labels are "
                    f"{', '.join(sorted(filter(None, have)))}."
                )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def labels_of(recordings: Iterable[Recording]) -> list[str]:
    """The labels that occur: ours in our order, then others by name."""
    found = {recording.label for recording in recordings}
    return [label for label in EIGHT if label in found] + sorted(found - set(EIGHT))
