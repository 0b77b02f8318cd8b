"""Pieces that the shipped composer writes, and what they are like."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.melody.composer import Composer
from services.melody.composition import BEATS, Note, Part, Passage, Plan
from services.melody.engine import MelodyRequest
from services.melody.form import plan
from services.melody.genre import GenreProfile, profiles_of
from services.melody.keys import scale_of, shift_of
from services.melody.onnx_engine import OnnxNetwork
from services.melody.tokens import STEPS, Bar, Vocabulary
from services.runtime.manifest import read_manifest
from services.runtime.worker import Cancellation

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Written:
    """A piece."""

    plan: Plan
    passages: tuple[Passage, ...]

    def notes(self, part: Part) -> list[Note]:
        """All notes of a part, counted from the start of the piece."""
        found, start = [], 0.0
        for passage in self.passages:
            for note in passage.parts[part]:
                found.append(Note(note.pitch, start + note.start, note.duration, note.velocity))
            start += passage.bars * BEATS
        return found

    @property
    def bars(self) -> int:
        """All bars."""
        return sum(passage.bars for passage in self.passages)

    def lead_bars(self) -> list[Bar]:
        """The lead in C major or A minor."""
        shift = shift_of(self.plan.key)
        bars: list[list[tuple[int, int, int]]] = [[] for _ in range(self.bars)]
        for note in self.notes("lead"):
            number, at = divmod(round(note.start * STEPS / BEATS), STEPS)
            length = round(note.duration * STEPS / BEATS)
            bars[number].append((at, note.pitch - shift, length))
        return [Bar(0, None, (), (), tuple(lead)) for lead in bars]


class Band:
    """The composer of a model's folder."""

    def __init__(self, folder: Path) -> None:
        self.genres: dict[str, GenreProfile] = profiles_of(read_manifest(folder / "model.yaml"))
        self._composer = Composer(
            OnnxNetwork(folder / "composer.onnx"), Vocabulary.load(folder / "vocabulary.json")
        )

    def write(self, request: MelodyRequest) -> Written:
        """Writes a piece."""
        decided = plan(request, self.genres, np.random.default_rng([request.seed, 0]))
        profile = self.genres[decided.genre]
        passages = self._composer.compose(decided, request, profile, Cancellation())
        return Written(decided, tuple(passages))


def on_scale(piece: Written, part: Part) -> float:
    """Share of a part's durations on the scale of the key."""
    scale, notes = scale_of(piece.plan.key), piece.notes(part)
    total = sum(note.duration for note in notes)
    on = sum(note.duration for note in notes if note.pitch % 12 in scale)
    return on / total if total else 1.0


def sums(piece: Written) -> bool:
    """Whether bars are whole: chords fill them, nothing outlasts its passage, no two notes of the
    lead sound at once.
    """
    for passage in piece.passages:
        end = passage.bars * BEATS
        lead = passage.parts["lead"]
        chords = sum(chord.duration for chord in passage.chords)
        late = any(
            note.start + note.duration > end + 1e-9
            for notes in passage.parts.values()
            for note in notes
        )
        crossed = any(
            first.start + first.duration > second.start + 1e-9
            for first, second in itertools.pairwise(lead)
        )
        if abs(chords - end) > 1e-9 or late or crossed:
            return False
    return True


def described(piece: Written, *, tempo: bool) -> Floats:
    """A piece in numbers, for a classifier: shares, and means a bar."""
    lead, bass, drums = (piece.notes(part) for part in ("lead", "bass", "drums"))
    pitches = np.array([note.pitch for note in lead] or [0])
    tones = [(note.pitch - piece.plan.key.tonic) % 12 for note in lead]
    sevenths = [chord.quality for passage in piece.passages for chord in passage.chords]
    parts: list[Floats] = [
        np.array([len(lead), len(bass), len(drums), len(sevenths)]) / piece.bars,
        np.array([pitches.mean() / 12, pitches.std() / 12, piece.plan.key.mode == "minor"]),
        np.bincount(tones, minlength=12) / max(1, len(tones)),
        np.array([sum(quality == name for quality in sevenths) / len(sevenths)
                  for name in ("maj", "min", "sus4", "7", "maj7", "min7")]),
        *(_onsets(notes) for notes in (lead, bass)),
        *(_onsets([note for note in drums if note.pitch in kinds])
          for kinds in ((36,), (38, 37), (42, 46), (51, 49))),
        np.array([np.mean([note.duration for note in lead] or [0])]),
        np.array([piece.plan.tempo / 100] if tempo else []),
    ]  # fmt: skip
    return np.concatenate(parts)


def _onsets(notes: list[Note]) -> Floats:
    """How many notes begin at each sixteenth of a bar, a bar of the part."""
    places = [round(note.start * STEPS / BEATS) % STEPS for note in notes]
    bars = max(1.0, max((note.start for note in notes), default=0.0) / BEATS)
    return np.bincount(places, minlength=STEPS) / bars
