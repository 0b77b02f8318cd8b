"""Who speaks when: windows of speech, their vectors, and the speakers that these make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.emotion.clustering import clustered
from services.emotion.engine import EmotionModel, Samples
from services.emotion.listening import Windowing
from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

Floats = NDArray[np.float32]

#: What the encoder hears at once, and how much later it listens again.
SPEAKER = Windowing(seconds=1.6, hop=0.8, first=1.6)

#: Cosine between clusters from which they are one speaker; and between a cluster and a known voice
#: from which it is that. README.md tells how these were chosen.
SAME, KNOWN = 0.62, 0.65
#: A speaker who is heard for less than this is one of the others, seconds.
SHORTEST = 1.2


class SpeakerModel(LoadedModel, Protocol):
    """A speaker encoder in memory. Serves one caller at a time."""

    def embed(self, windows: Sequence[Samples], cancelled: Cancellation) -> Floats:
        """One vector of length 1 for each window of speech, shape `(windows, dimensions)`.

        Windows have shape `(samples,)` and are best as long as `SPEAKER` says. Raises `Cancelled`.
        """


#: Whatever the container can have in memory.
AudioModel = EmotionModel | SpeakerModel


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one speaker speaks, seconds."""

    start: float
    end: float
    speaker: str

    def overlap(self, start: float, end: float) -> float:
        """How much of a stretch it covers, seconds."""
        return max(0.0, min(self.end, end) - max(self.start, start))


class Voices:
    """The windows of a recording and their vectors, from which come its speakers."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []
        self._vectors: list[Floats] = []

    def add(self, times: Sequence[tuple[float, float]], vectors: Floats) -> None:
        """Further windows, start and end in seconds, and their vectors."""
        self._times += times
        self._vectors.append(vectors)

    @property
    def mean(self) -> Floats | None:
        """The vector of all windows together, of length 1; None where there is none."""
        if not self._times:
            return None
        total = np.concatenate(self._vectors).sum(axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)

    def turns(
        self,
        speech: Sequence[tuple[float, float]],
        *,
        count: int = 0,
        known: Mapping[str, Floats] | None = None,
    ) -> list[Turn]:
        """Who speaks when, in the order of time, within the stretches of speech.

        `count` speakers, or as many as are found for 0. Those who sound like a `known` voice have
        its name, the others are `A`, `B`, ... in the order in which they first speak.
        """
        if not self._times:
            return []
        vectors = np.concatenate(self._vectors)
        found = clustered(vectors, alike=SAME, count=count)
        of = found.of if count else self._without_short(found.of, found.centres, vectors)
        names = _names(of, found.centres, known or {})
        return _joined(self._owned(speech), [names[int(each)] for each in of])

    def _without_short(
        self, of: NDArray[np.int64], centres: Floats, vectors: Floats
    ) -> NDArray[np.int64]:
        """Speakers who are hardly heard are their nearest neighbours."""
        seconds = np.bincount(of, minlength=len(centres)) * SPEAKER.hop
        kept = seconds >= min(SHORTEST, seconds.max())
        similar = np.where(kept, vectors @ centres.T, -np.inf)
        return np.where(kept[of], of, similar.argmax(axis=1))

    def _owned(self, speech: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """What each window tells of: up to midway to the next, in the same stretch of speech."""
        owned, stretches = [], iter(speech)
        start, end = next(stretches, (0.0, 0.0))
        begin = start
        for at, (first, last) in enumerate(self._times):
            while first >= end and (following := next(stretches, None)) is not None:
                start, end = following
                begin = start
            until = end
            if at + 1 < len(self._times) and (after := self._times[at + 1])[0] < end:
                until = min(end, (first + last + after[0] + after[1]) / 4)
            owned.append((begin, max(begin, until)))
            begin = max(begin, until)
        return owned


def _names(of: NDArray[np.int64], centres: Floats, known: Mapping[str, Floats]) -> dict[int, str]:
    """The name of each cluster. A known voice is given to the one cluster most like it."""
    order = list(dict.fromkeys(int(each) for each in of))
    pairs = sorted(
        ((float(centres[cluster] @ voice), cluster, name)
         for cluster in order for name, voice in known.items()),
        reverse=True,
    )  # fmt: skip
    names: dict[int, str] = {}
    for likeness, cluster, name in pairs:
        if likeness >= KNOWN and cluster not in names and name not in names.values():
            names[cluster] = name
    letters = (name for name in map(_letters, range(len(order) + len(known))) if name not in known)
    return {cluster: names.get(cluster) or next(letters) for cluster in order}


def _letters(number: int) -> str:
    """`A` to `Z`, then `AA`, `AB`, ..."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _joined(owned: list[tuple[float, float]], names: list[str]) -> list[Turn]:
    turns: list[Turn] = []
    for (start, end), name in zip(owned, names, strict=True):
        if turns and turns[-1].speaker == name and turns[-1].end == start:
            turns[-1] = Turn(turns[-1].start, end, name)
        elif end > start:
            turns.append(Turn(start, end, name))
    return turns
