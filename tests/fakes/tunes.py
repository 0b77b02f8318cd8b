"""A short piece written by hand: four chords under a tune, with a steady bass and a beat."""

from services.melody.band import Band
from services.melody.composition import BEATS, QUALITIES, Chord, Key, Note, Passage, Plan
from services.melody.engine import SectionKind

BAND = Band.model_validate(
    {
        "lead": {"program": 73, "pan": 0.2},
        "chords": {"program": 0, "gain_db": -3, "pan": -0.3},
        "bass": {"program": 32},
        "drums": {"program": 8, "gain_db": -2},
    }
)
_PROGRESSION = ((9, "min"), (5, "maj"), (0, "maj"), (7, "7"))


def passage(kind: SectionKind, bars: int, velocity: int = 90) -> Passage:
    """Two lines of equal length, six syllables in each bar."""
    chords = tuple(
        Chord(*_PROGRESSION[bar % 4], start=bar * BEATS, duration=BEATS) for bar in range(bars)
    )
    voicings = [
        [48 + (chord.root + tone) % 12 for tone in QUALITIES[chord.quality]] for chord in chords
    ]
    lead = [
        Note(72 + pitches[at % 3] % 12, bar * BEATS + at * 0.5, 0.5, velocity)
        for bar, pitches in enumerate(voicings)
        for at in range(6)
    ]
    struck = [
        Note(pitch, bar * BEATS + beat, 0.9, velocity - 20)
        for bar, pitches in enumerate(voicings)
        for beat in range(BEATS)
        for pitch in pitches
    ]
    bass = [
        Note(36 + chord.root % 12, chord.start + beat, 1.0, velocity)
        for chord in chords
        for beat in range(BEATS)
    ]
    drums = [
        Note(pitch, bar * BEATS + beat, 0.1, velocity)
        for bar in range(bars)
        for beat, pitch in enumerate((36, 38, 36, 38))
    ]
    half = len(lead) // 2
    return Passage(
        kind,
        bars,
        {"lead": tuple(lead), "chords": tuple(struck), "bass": tuple(bass), "drums": tuple(drums)},
        chords,
        ((0, half), (half, len(lead))),
    )


def tune(tempo: float = 120.0, seconds: float | None = None) -> tuple[Plan, tuple[Passage, ...]]:
    """Intro, verse and chorus, 10 bars; a second longer than its bars unless it is said."""
    passages = (passage("intro", 2, 60), passage("verse", 4, 85), passage("chorus", 4, 105))
    bars = sum(each.bars for each in passages)
    length = bars * BEATS * 60 / tempo + 1 if seconds is None else seconds
    form = tuple((each.kind, each.bars) for each in passages)
    return Plan("pop", Key(9, "minor"), tempo, length, form), passages
