"""Composes with a small network, and plays with a SoundFont."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from services.melody import notation
from services.melody.composer import Composer
from services.melody.composition import Passage, Plan
from services.melody.engine import (
    Genre,
    MelodyRequest,
    Musician,
    Notation,
    Piece,
    Progress,
    Sound,
    Started,
)
from services.melody.form import plan
from services.melody.genre import GenreProfile, profiles_of
from services.melody.keys import name_of
from services.melody.musicxml import musicxml
from services.melody.onnx_engine import OnnxNetwork
from services.melody.player import Player
from services.melody.settings import MelodySettings
from services.melody.tokens import Vocabulary
from services.melody.tune import theme as heard
from services.runtime.errors import Cancelled, InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation

WEIGHTS, VOCABULARY, SOUNDFONT = "composer.onnx", "vocabulary.json", "soundfont.sf2"
RATE, CHANNELS = 44100, 2


class SymbolicEngine:
    """Loads composers and the SoundFonts that they are played with."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Musician:
        """Reads both. Raises `ModelLoadFailed` for genres that are wrong, `ValueError` for a
        network of another vocabulary.
        """
        return SymbolicMusician(
            profiles_of(manifest),
            Composer(OnnxNetwork(folder / WEIGHTS), Vocabulary.load(folder / VOCABULARY)),
            Player(folder / SOUNDFONT, RATE),
        )


def symbolic(settings: MelodySettings) -> SymbolicEngine:
    """The engine; it needs no settings."""
    return SymbolicEngine()


class SymbolicMusician:
    """Writes notes, and plays each section while the next is written."""

    def __init__(
        self, profiles: Mapping[str, GenreProfile], composer: Composer, player: Player
    ) -> None:
        self._profiles, self._composer, self._player = profiles, composer, player
        self.genres = tuple(Genre(name, *profiles[name].tempo) for name in sorted(profiles))

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Musician`."""
        if request.task == "sound":
            raise InvalidRequest(
                "This model makes no sounds, only music: leave task out.", param="task"
            )
        decided = plan(request, self._profiles, np.random.default_rng([request.seed, 0]))
        profile = self._profiles[decided.genre]
        theme = None if request.tune is None else heard(request.tune, decided.tempo)
        yield Started(
            decided.seconds, RATE, CHANNELS, decided.genre, decided.tempo,
            name_of(decided.key),
        )  # fmt: skip
        passages = _Written(self._composer.compose(decided, request, profile, cancelled, theme))
        with contextlib.suppress(Cancelled):
            yield from self._pieces(request, decided, profile, passages, cancelled)

    def close(self) -> None:
        """Lets go of network and SoundFont: whoever asks for it still holds the musician."""
        self._composer = self._player = None  # type: ignore[assignment]

    def _pieces(
        self,
        request: MelodyRequest,
        decided: Plan,
        profile: GenreProfile,
        passages: "_Written",
        cancelled: Cancellation,
    ) -> Iterator[Piece]:
        if request.silent:
            for done, _ in enumerate(passages, 1):
                yield Progress(done / len(decided.form))
        else:
            sent = 0
            for samples in self._player.play(decided, profile.band, passages, cancelled):
                sent += len(samples)
                yield Sound(samples)
                yield Progress(min(1.0, sent / (decided.seconds * RATE)))
        if cancelled.is_set:
            return
        written, band = tuple(passages.written), profile.band
        if "midi" in request.artifacts:
            yield Notation("melody.mid", notation.midi(decided, band, written))
        if "musicxml" in request.artifacts:
            yield Notation("melody.musicxml", musicxml(decided, written))
        if "score" in request.artifacts:
            yield notation.score(decided, written)
        if "stems" in request.artifacts:
            yield from self._player.stems(decided, band, written, cancelled)


class _Written:
    """Passages as they are written, kept for what is made of all of them."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._passages = passages
        self.written: list[Passage] = []

    def __iter__(self) -> Iterator[Passage]:
        for passage in self._passages:
            self.written.append(passage)
            yield passage
