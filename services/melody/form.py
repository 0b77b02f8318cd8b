"""What is decided before the first note: key, tempo, and the bars of each section.

A piece of given length fits it exactly: bars are added or dropped until a tempo of the genre makes
them end a little before the audio does, so that the last chord may ring.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.melody.composition import BEATS, Key, Plan
from services.melody.engine import MAX_SECONDS, MelodyRequest, Section, SectionKind
from services.melody.genre import GenreProfile
from services.melody.keys import key_of
from services.melody.layout import least, wanted
from services.melody.mood import MOODS
from services.runtime.errors import InvalidRequest

#: Length of a piece of which nothing is said.
_SECONDS = 30.0
#: How long the last chord rings, seconds, and the most that this is of the whole.
_RING, _RING_SHARE = 2.0, 0.08
#: What a tempo that is nobody's choice may leave the genre's range by, so that bars come out even.
_GIVE = 1.02
#: No tempo is faster, in quarter notes per minute.
_FASTEST = 240.0
_BARS: Mapping[SectionKind, int] = {
    "intro": 4, "verse": 8, "pre-chorus": 4, "chorus": 8, "bridge": 8, "outro": 4, "solo": 8,
}  # fmt: skip


def plan(
    request: MelodyRequest, genres: Mapping[str, GenreProfile], rng: np.random.Generator
) -> Plan:
    """Decides. The first genre is the default.

    Raises `InvalidRequest` naming genre, key, tempo, sections or duration.
    """
    genre = request.genre or next(iter(genres))
    if genre not in genres:
        raise InvalidRequest(f"genre must be one of {', '.join(sorted(genres))}.", param="genre")
    if request.mood not in MOODS:
        known = ", ".join(mood for mood in MOODS if mood)
        raise InvalidRequest(f"mood must be one of {known}.", param="mood")
    profile, mood = genres[genre], MOODS[request.mood]
    chance = profile.minor if mood.minor is None else mood.minor
    drawn = Key(int(rng.integers(12)), "minor" if rng.random() < chance else "major")
    key = key_of(request.key) if request.key else drawn
    slowest, fastest = profile.tempo
    liked = slowest + (fastest - slowest) * (0.2 + 0.2 * mood.arousal + 0.2 * rng.random())
    tempi = _Tempi(slowest, liked, fastest)
    if request.tempo is not None:
        tempi = _Tempi(request.tempo, request.tempo, request.tempo)
    return _fitted(request, genre, key, profile, tempi)


@dataclass(frozen=True, slots=True)
class _Tempi:
    slowest: float
    liked: float
    fastest: float

    @property
    def free(self) -> bool:
        return self.slowest < self.fastest


class _Group:
    """Sections that are alike: they have the same bars."""

    def __init__(self, section: Section, pace: float) -> None:
        self.kind, self.pace, self.syllables = section.kind, pace, section.syllables
        self.count = 0
        self.least = sum(map(least, section.syllables)) or 1
        self.natural = sum(wanted(section.syllables, pace)) or _BARS[section.kind]
        self.bars = self.natural

    @property
    def stride(self) -> int:
        """Bars to add or drop at once, so that lines stay equal."""
        return len(self.syllables) or 2


def _fitted(
    request: MelodyRequest, genre: str, key: Key, profile: GenreProfile, tempi: _Tempi
) -> Plan:
    sections = request.sections
    if not sections:
        seconds = request.seconds or _SECONDS
        form = _free_form(_bars_of(seconds, tempi), profile.form)
        return _timed(genre, key, form, seconds, tempi)
    alike: dict[Section, _Group] = {}
    for section in sections:
        alike.setdefault(section, _Group(section, profile.pace)).count += 1
    groups = list(alike.values())
    if request.seconds is None:
        total = sum(group.bars * group.count for group in groups)
        seconds = total * BEATS * 60 / tempi.liked + _RING
        if seconds > MAX_SECONDS:
            seconds = MAX_SECONDS
            _shrink(groups, seconds, tempi, "sections")
            total = sum(group.bars * group.count for group in groups)
            seconds = min(seconds, total * BEATS * 60 / tempi.liked + _RING)
    else:
        seconds = request.seconds
        _shrink(groups, seconds, tempi, "duration")
        _grow(groups, seconds, tempi)
    form = [(section.kind, alike[section].bars) for section in sections]
    return _timed(genre, key, form, seconds, tempi)


def _music(seconds: float) -> float:
    """Seconds of audio that bars may fill."""
    return seconds - min(_RING, _RING_SHARE * seconds)


def _capacity(seconds: float, tempo: float) -> int:
    """The most whole bars that a tempo has room for."""
    return int(_music(seconds) * tempo / (60 * BEATS) + 1e-9)


def _bars_of(seconds: float, tempi: _Tempi) -> int:
    """Bars of a piece without words. Raises `InvalidRequest` where not even one has room."""
    exact = _music(seconds) * tempi.liked / (60 * BEATS)
    if tempi.free:
        # A very short piece is faster than its genre.
        return max(1, min(round(exact), _capacity(seconds, tempi.fastest)))
    if seconds * tempi.liked < 60 * BEATS:
        raise InvalidRequest(
            f"A bar at {tempi.liked:g} quarter notes per minute takes "
            f"{60 * BEATS / tempi.liked:.1f} seconds: ask for a longer duration or a faster tempo.",
            param="duration",
        )
    return max(1, int(exact + 1e-9))


def _free_form(bars: int, kinds: Sequence[SectionKind]) -> list[tuple[SectionKind, int]]:
    """Intro, sections and outro that have so many bars together."""
    unit = 8 if bars >= 40 else 4
    if bars < 2 * unit:
        return [("chorus", bars)] if bars <= unit else [("verse", unit), ("chorus", bars - unit)]
    frame = unit // 2 if bars >= 3 * unit else 0
    inner, rest = divmod(bars - 2 * frame, unit)
    form: list[tuple[SectionKind, int]] = [(kinds[at % len(kinds)], unit) for at in range(inner)]
    if frame:
        return [("intro", frame), *form, ("outro", frame + rest)]
    return [*form, ("outro", rest)] if rest else form


def _shrink(groups: list[_Group], seconds: float, tempi: _Tempi, param: str) -> None:
    """Drops bars until the fastest tempo has room for them."""
    most = _capacity(seconds, tempi.fastest)
    fewest = sum(group.least * group.count for group in groups)
    if fewest > most:
        shortest = fewest * BEATS * 60 / tempi.fastest
        shortest += min(_RING, shortest * _RING_SHARE / (1 - _RING_SHARE))
        if param == "sections" or shortest > MAX_SECONDS:
            raise InvalidRequest(
                f"The sections take at least {_up(shortest):g} seconds, and a piece has at most "
                f"{MAX_SECONDS:g}: leave some out.",
                param="sections",
            )
        raise InvalidRequest(
            f"The sections do not fit {seconds:g} seconds: the duration must be at least "
            f"{_up(shortest):g}.",
            param="duration",
        )
    # First the tempo that is liked, as far as whole lines allow; then whatever has room.
    _step(groups, -1, _capacity(seconds, tempi.liked), whole=True)
    _step(groups, -1, most, whole=False)


def _grow(groups: list[_Group], seconds: float, tempi: _Tempi) -> None:
    """Adds bars until the slowest tempo fills the audio."""
    if tempi.free:
        liked = _capacity(seconds, tempi.liked)
        fewest = int(np.ceil(_music(seconds) * tempi.slowest / (60 * BEATS) - 1e-9))
        if sum(group.bars * group.count for group in groups) < fewest:
            _step(groups, 1, liked, whole=True)
    else:
        fewest = _capacity(seconds, tempi.liked)
        _step(groups, 1, fewest, whole=True)
    _step(groups, 1, min(fewest, _capacity(seconds, tempi.fastest)), whole=False)


def _step(groups: list[_Group], sign: int, goal: int, *, whole: bool) -> None:
    """Changes the sections that have changed least, in turn, for as long as that nears `goal`.

    Nobody wants to wait for the song to begin, or to end: intros and outros only grow where there
    is nothing else.
    """
    total = sum(group.bars * group.count for group in groups)
    while (goal - total) * sign > 0:
        able = []
        for at, group in enumerate(groups):
            stride = group.stride if whole else 1
            change = stride * group.count
            fits = group.bars - stride >= group.least if sign < 0 else total + change <= goal
            last = sign > 0 and group.kind in ("intro", "outro")
            if fits and not (last and whole):
                able.append((last, sign * group.bars / group.natural, at, stride))
        if not able:
            return
        _, _, at, stride = min(able)
        groups[at].bars += sign * stride
        total += sign * stride * groups[at].count


def _timed(
    genre: str,
    key: Key,
    form: list[tuple[SectionKind, int]],
    seconds: float,
    tempi: _Tempi,
) -> Plan:
    beats = BEATS * sum(bars for _, bars in form)
    tempo = tempi.liked
    if tempi.free:
        exact = beats * 60 / _music(seconds)
        # Never so slow that the music outlasts the audio.
        floor = beats * 60 / seconds
        tempo = max(floor, min(max(exact, tempi.slowest / _GIVE), tempi.fastest * _GIVE))
    return Plan(genre, key, min(tempo, _FASTEST), seconds, tuple(form))


def _up(seconds: float) -> float:
    """Rounded up to a tenth."""
    return float(np.ceil(seconds * 10 - 1e-9)) / 10
