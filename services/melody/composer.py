"""Composes: section after section, each handed on as soon as it is written.

A section like an earlier one has its notes again; one of the same kind has its chords.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from services.melody import arrangement
from services.melody.bars import BarWriter, Chords
from services.melody.composition import Passage, Plan
from services.melody.drummer import Drummer, hits
from services.melody.engine import MelodyRequest, Section, SectionKind
from services.melody.genre import GenreProfile, Sampling
from services.melody.keys import shift_of
from services.melody.layout import layout
from services.melody.mood import MOODS
from services.melody.section import Outline, written
from services.melody.text import Network, Text
from services.melody.tokens import CONTROLS, LEAD, STEPS, Bar, Vocabulary, song_header, tempo_bucket
from services.melody.tune import Theme
from services.melody.voice import Voice
from services.runtime.worker import Cancellation

#: What most people can sing.
_SINGABLE = range(55, 80)
#: Upper edges of the lead's density in the corpus, notes a bar.
_DENSITY = (3.6, 4.7, 5.8, 7.8)
#: How sections differ from the rest of their piece, by control.
_KINDS: Mapping[SectionKind, Mapping[str, int]] = {
    "chorus": {"Register": 1, "Arousal": 1},
    "bridge": {"Register": 1},
    "solo": {"Density": 1, "Register": 1},
    "intro": {"Density": -1, "Arousal": -1},
    "outro": {"Density": -1, "Arousal": -1},
}
_LOUD = frozenset({"chorus", "solo", "bridge"})
_PLAYED = frozenset({"intro", "outro", "solo"})
#: How much louder sections are, in MIDI velocity, and each step of arousal.
_ACCENTS: Mapping[SectionKind, int] = {"chorus": 8, "solo": 6, "intro": -8, "outro": -8}
_AROUSED = 5


class Composer:
    """Writes pieces with a network that has learnt songs and grooves."""

    def __init__(self, network: Network, vocabulary: Vocabulary) -> None:
        self._network, self._vocabulary = network, vocabulary

    def compose(
        self,
        plan: Plan,
        request: MelodyRequest,
        profile: GenreProfile,
        cancelled: Cancellation,
        theme: Theme | None = None,
    ) -> Iterator[Passage]:
        """One passage for each section of the plan, in order; the first with a lead has the theme.

        Raises `Cancelled`.
        """
        piece = _Piece(self._network, self._vocabulary, plan, request, profile, cancelled)
        return piece.passages(theme)


class _Piece:
    """One piece while it is written."""

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        plan: Plan,
        request: MelodyRequest,
        profile: GenreProfile,
        cancelled: Cancellation,
    ) -> None:
        self._plan, self._profile = plan, profile
        self._mood = MOODS[request.mood]
        self._sections = request.sections or tuple(Section(kind) for kind, _ in plan.form)
        self._shift = shift_of(plan.key)
        sampling = _sampling(request, profile.sampling)

        def text(part: int) -> Text:
            rng = np.random.default_rng([request.seed, part])
            return Text(network, vocabulary, sampling, rng, cancelled)

        self._text = text(1)
        low, high = _SINGABLE.start - self._shift, _SINGABLE.stop - self._shift
        self._writer = BarWriter(
            self._text,
            vocabulary,
            plan.key.mode,
            chromatic=profile.chromatic,
            singable=range(max(low, LEAD.start), min(high, LEAD.stop)),
        )
        self._drummer = Drummer(text(2), vocabulary, profile, plan.tempo)
        self._progressions: dict[SectionKind, tuple[Chords, ...]] = {}

    def passages(self, theme: Theme | None) -> Iterator[Passage]:
        """See `Composer`."""
        done: dict[tuple[Section, int], Passage] = {}
        last = (self._sections[-1], self._plan.form[-1][1])
        for section, (_, bars) in zip(self._sections, self._plan.form, strict=True):
            key = (section, bars)
            if key not in done:
                themed = theme if section.kind != "intro" or len(self._sections) == 1 else None
                done[key] = self._passage(section, bars, themed, cadence=key == last)
                theme = theme if themed is None else None
            yield done[key]

    def _passage(
        self, section: Section, bars: int, theme: Theme | None, *, cadence: bool
    ) -> Passage:
        kind, syllables = section.kind, section.syllables
        shares = layout(syllables, bars, self._profile.pace)
        controls = self._controls(section, bars - shares.tail)
        self._text.begin(song_header(self._plan.key.mode, controls))
        outline = Outline(
            bars,
            self._profile.loop,
            syllables,
            shares,
            self._progressions.get(kind, ()),
            played=kind in _PLAYED or any(other.syllables for other in self._sections),
            cadence=cadence,
        )
        voice = Voice(bars * STEPS)
        if theme is not None:
            theme.give(voice, self._plan.key.mode, sung=bool(syllables))
        found = written(self._writer, outline, voice)
        self._progressions.setdefault(kind, tuple(bar.chords for bar in found))
        return self._arranged(section, found)

    def _arranged(self, section: Section, bars: list[Bar]) -> Passage:
        kind, count = section.kind, len(bars)
        accent = _ACCENTS.get(kind, 0) + _AROUSED * (self._mood.arousal - 1)
        chords = arrangement.harmony(bars, self._shift)
        ends = np.cumsum(section.syllables, dtype=int).tolist()
        return Passage(
            kind,
            count,
            {
                "lead": arrangement.lead(bars, self._shift, accent),
                "chords": arrangement.comped(chords, count, self._profile.comping, accent),
                "bass": arrangement.bass(bars, self._shift, accent),
                "drums": hits(self._drummer.section(count, loud=kind in _LOUD), accent),
            },
            chords,
            tuple(zip([0, *ends[:-1]], ends, strict=True)) if ends else (),
        )

    def _controls(self, section: Section, bars: int) -> dict[str, int]:
        """The network's controls for a section whose lines take so many bars."""
        controls = dict.fromkeys(CONTROLS, 1) | {"Density": 2} | self._profile.controls
        controls |= {
            "Tempo": tempo_bucket(self._plan.tempo),
            "Valence": self._mood.valence,
            "Arousal": self._mood.arousal,
        }
        for name, change in _KINDS.get(section.kind, {}).items():
            controls[name] = min(max(controls[name] + change, 0), CONTROLS[name] - 1)
        if section.syllables:
            pace = sum(section.syllables) / bars
            controls["Density"] = sum(pace >= edge for edge in _DENSITY)
        return controls


def _sampling(request: MelodyRequest, usual: Sampling) -> Sampling:
    """What the request says, and the genre's choice for the rest."""
    asked = {name: getattr(request, name) for name in ("temperature", "top_k", "top_p")}
    return usual.model_copy(update={name: v for name, v in asked.items() if v is not None})
