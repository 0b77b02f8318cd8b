"""A recording's melody as notes: the theme of a piece."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.melody.bars import SCALES
from services.melody.composition import Mode
from services.melody.engine import TUNE_RATE
from services.melody.tokens import DURATIONS, LEAD
from services.melody.voice import Voice
from services.runtime.errors import InvalidRequest

#: Samples between two frames and in one, and the pitches looked for, Hz.
_HOP, _FRAME = TUNE_RATE // 100, TUNE_RATE // 16
_LOWEST, _HIGHEST = 70.0, 1000.0
#: How periodic a frame must be, and how loud against the loudest.
_VOICED, _AUDIBLE = 0.6, 0.05
#: Frames that make a note, the most notes of a theme, and the seconds in which they are looked for.
_SHORTEST, _MOST, _SECONDS = 8, 32, 20
#: The middle of the lead's range, in C major or A minor.
_MIDDLE = 66


@dataclass(frozen=True, slots=True)
class Theme:
    """Notes `(moment, pitch, length)`: MIDI number, and sixteenths from the first note on."""

    notes: tuple[tuple[int, int, int], ...]

    def give(self, voice: Voice, mode: Mode, *, sung: bool) -> None:
        """Has a voice begin with the theme: with its pitches, and where no words say otherwise
        with its rhythm.
        """
        moved = self._moved(mode)
        if sung:
            voice.pitches = [pitch for _, pitch, _ in moved]
            return
        voice.script = {
            at: (pitch, length) for at, pitch, length in moved if at + length <= voice.end
        }

    def _moved(self, mode: Mode) -> list[tuple[int, int, int]]:
        """In C major or A minor: where most of its notes are on the scale."""
        weight = np.zeros(12)
        for _, pitch, length in self.notes:
            weight[pitch % 12] += length
        fit = [sum(weight[(degree - by) % 12] for degree in SCALES[mode]) for by in range(12)]
        shift = int(np.argmax(fit))
        middle = float(np.median([pitch for _, pitch, _ in self.notes])) + shift
        shift += 12 * round((_MIDDLE - middle) / 12)
        return [
            (at, min(max(pitch + shift, LEAD.start), LEAD.stop - 1), length)
            for at, pitch, length in self.notes
        ]


def theme(tune: NDArray[np.float32], tempo: float) -> Theme:
    """The notes of a recording at `TUNE_RATE`, as they fall on the sixteenths of a tempo.

    Raises `InvalidRequest` where no pitch is heard.
    """
    sung = _notes(_pitches(tune[: _SECONDS * TUNE_RATE]))
    if not sung:
        raise InvalidRequest(
            "No melody is heard in the recording: sing or play single notes.", param="file"
        )
    step = TUNE_RATE / _HOP * 15 / tempo
    first = sung[0][0]
    found: dict[int, tuple[int, int]] = {}
    for start, end, pitch in sung[:_MOST]:
        at = round((start - first) / step)
        length = max(each for each in DURATIONS if each <= max(1, round((end - start) / step)))
        found.setdefault(at, (pitch, length))
    moments = sorted(found)
    notes = []
    for at, following in zip(moments, [*moments[1:], moments[-1] + max(DURATIONS)], strict=True):
        pitch, length = found[at]
        notes.append((at, pitch, max(e for e in DURATIONS if e <= min(length, following - at))))
    return Theme(tuple(notes))


def _pitches(tune: NDArray[np.float32]) -> NDArray[np.float64]:
    """MIDI numbers by frame, NaN where nothing periodic sounds: autocorrelation, normalised."""
    count = max(0, (len(tune) - 2 * _FRAME) // _HOP + 1)
    longest, shortest = int(TUNE_RATE / _LOWEST), int(TUNE_RATE / _HIGHEST)
    found = np.full(count, np.nan)
    loudest = float(np.sqrt(np.mean(tune**2))) if count else 0.0
    size = 4 * _FRAME
    for number in range(count):
        frame = tune[number * _HOP : number * _HOP + 2 * _FRAME].astype(np.float64)
        if np.sqrt(np.mean(frame**2)) <= max(_AUDIBLE * loudest, 1e-5):
            continue
        head = frame[:_FRAME] - frame.mean()
        frame = frame - frame.mean()
        crossed = np.fft.irfft(np.conj(np.fft.rfft(head, size)) * np.fft.rfft(frame, size))
        energy = np.concatenate([[0.0], np.cumsum(frame**2)])
        lags = np.arange(longest + 1)
        power = energy[lags + _FRAME] - energy[lags]
        likeness = crossed[: longest + 1] / np.sqrt(power[0] * power + 1e-12)
        # The first peak that is nearly the best one: later ones are octaves below.
        inner = likeness[1:-1]
        peaks = np.flatnonzero((inner > likeness[:-2]) & (inner >= likeness[2:])) + 1
        peaks = peaks[peaks >= shortest]
        if peaks.size and (best := likeness[peaks].max()) >= _VOICED:
            lag = float(peaks[likeness[peaks] >= 0.9 * best][0])
            found[number] = 69 + 12 * np.log2(TUNE_RATE / lag / 440)
    return found


def _notes(pitches: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """Runs of frames near one pitch: `(first, end, MIDI number)`."""
    notes: list[tuple[int, int, int]] = []
    run: list[float] = []
    for number, pitch in enumerate([*pitches, float("nan")]):
        if run and not abs(pitch - np.median(run)) < 0.7:
            if len(run) >= _SHORTEST:
                notes.append((number - len(run), number, round(float(np.median(run)))))
            run = []
        if pitch == pitch:
            run.append(float(pitch))
    return notes
