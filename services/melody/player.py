"""Notes in, sound out: the band plays through a SoundFont, passage by passage."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from services.melody.band import Band
from services.melody.composition import BEATS, PARTS, Part, Passage, Plan
from services.melody.engine import Samples, Stem
from services.melody.room import Room
from services.melody.synthesizer import Instruments, PartPlayer
from services.runtime.loudness import Normaliser
from services.runtime.worker import Cancellation

#: Sound is made in pieces of at most this many seconds.
_PIECE_SECONDS = 8.0
#: How much of each part goes into the room.
_SENDS: dict[Part, float] = {"lead": 1.0, "chords": 0.8, "bass": 0.05, "drums": 0.4}
_FADE_SECONDS = 0.5


class Player:
    """A SoundFont, and whoever plays on it. May be used by several threads at once."""

    def __init__(self, soundfont: Path, rate: int = 44100) -> None:
        """Reads the SoundFont. Raises `ModelLoadFailed` where there is none."""
        self._instruments = Instruments(soundfont, rate)
        self._rate = rate

    def play(
        self, plan: Plan, band: Band, passages: Iterable[Passage], cancelled: Cancellation
    ) -> Iterator[Samples]:
        """Yields the mix, `(samples, 2)`, at -14 LUFS: `plan.seconds` in all, to the sample.

        Passages are those of `plan.form`, and are taken one by one as the music reaches them.
        Ends early once `cancelled`.
        """
        normaliser = Normaliser(self._rate, 2)
        for piece in self._rendered(plan, band, passages, PARTS, cancelled):
            yield normaliser.feed(piece)
        yield normaliser.finish()

    def stems(
        self, plan: Plan, band: Band, passages: tuple[Passage, ...], cancelled: Cancellation
    ) -> Iterator[Stem]:
        """Yields part after part, in pieces, as it is in the mix, but for what keeps the mix from
        clipping.

        Ends early once `cancelled`.
        """
        normaliser = Normaliser(self._rate, 2)
        ramps = []
        for piece in self._rendered(plan, band, passages, PARTS, cancelled):
            normaliser.feed(piece)
            ramps.append(normaliser.ramp)
        if cancelled.is_set:
            return
        for part in PARTS:
            pieces = self._rendered(plan, band, passages, (part,), cancelled)
            for piece, ramp in zip(pieces, ramps, strict=False):
                yield Stem(part, ramp.applied(piece))

    def _rendered(
        self,
        plan: Plan,
        band: Band,
        passages: Iterable[Passage],
        parts: tuple[Part, ...],
        cancelled: Cancellation,
    ) -> Iterator[Samples]:
        """The sound of some parts together, as loud as it happens to be."""
        per_beat = 60 / plan.tempo * self._rate
        players = [
            self._instruments.taken_by(part, band.instrument(part), per_beat) for part in parts
        ]
        room = Room(self._rate)
        total = round(plan.seconds * self._rate)
        fade = _Fade(plan, total, self._rate)
        beat, at = 0, 0
        for number, passage in enumerate(passages, start=1):
            for player in players:
                player.read(passage, beat)
            beat += passage.bars * BEATS
            last = number == len(plan.form)
            end = total if last else min(total, round(beat * per_beat))
            for until in _cut(at, end, self._rate):
                if cancelled.is_set:
                    return
                piece = _together(players, room, until - at)
                fade.apply(piece, at)
                yield piece
                at = until


class _Fade:
    """Lets the last note ring from the end of the last bar to the end of the audio."""

    def __init__(self, plan: Plan, total: int, rate: int) -> None:
        bars = sum(bars for _, bars in plan.form)
        played = round(bars * BEATS * 60 / plan.tempo * rate)
        shortest = min(round(_FADE_SECONDS * rate), total // 4)
        self._start, self._end = min(played, total - shortest), total

    def apply(self, piece: Samples, at: int) -> None:
        """Fades `piece`, which starts at frame `at`, in place."""
        first = max(0, self._start - at)
        frames = np.arange(at + first, at + len(piece))
        left = (self._end - frames) / (self._end - self._start)
        piece[first:] *= left[:, None].astype(np.float32)


def _cut(start: int, end: int, rate: int) -> list[int]:
    """The ends of pieces of equal length from `start` to `end`."""
    count = math.ceil((end - start) / rate / _PIECE_SECONDS)
    return [start + (end - start) * number // count for number in range(1, count + 1)]


def _together(players: list[PartPlayer], room: Room, frames: int) -> Samples:
    mix = np.zeros((frames, 2), np.float32)
    sent = np.zeros(frames, np.float32)
    for player in players:
        sound = player.render(frames)
        mix += sound
        # Not `mean`, which is slow over so short an axis.
        sent += (sound[:, 0] + sound[:, 1]) * np.float32(_SENDS[player.part] / 2)
    mix += room.feed(sent)
    return mix
