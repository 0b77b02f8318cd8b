"""One part of the band, played on a synthesizer with a SoundFont."""

import heapq
import math
from pathlib import Path

import numpy as np

# The package's public `Synth` cannot share one SoundFont between synthesizers: each would read
# the file again.
from tinysoundfont import _tinysoundfont

from services.melody.band import Instrument
from services.melody.composition import BEATS, Note, Part, Passage
from services.melody.engine import Samples
from services.melody.performance import performed
from services.runtime.errors import ModelLoadFailed
from services.runtime.loudness import loudness

#: The synthesizer holds the interpreter's lock while it renders: no longer than so many samples.
_SLICE = 8192
#: Drums ring as long as they like, up to so many beats.
_RING = 4.0
_MAX_VOICES = 96

#: A bar by which the instruments of a part are compared, and how loud it is to be, LUFS.
_SAMPLE: dict[Part, tuple[tuple[Note, ...], float]] = {
    "lead": (tuple(Note(67 + at, at, 1) for at in range(BEATS)), -18.0),
    "chords": (tuple(Note(55 + at, beat, 1) for beat in range(BEATS) for at in (0, 4, 9)), -19.0),
    "bass": (tuple(Note(36 + at, at, 1) for at in range(BEATS)), -20.0),
    "drums": (
        tuple(
            Note(drum, beat, 1) for beat in range(BEATS) for drum in ((36, 42), (38, 42))[beat % 2]
        ),
        -20.0,
    ),
}
_SAMPLE_BEAT_SECONDS = 0.5


class Instruments:
    """A SoundFont's instruments, made equally loud. May be used by several threads at once."""

    def __init__(self, soundfont: Path, rate: int) -> None:
        """Reads the file. Raises `ModelLoadFailed` where it is no SoundFont."""
        try:
            self._font = _tinysoundfont.SoundFont(str(soundfont))
        except RuntimeError as error:
            raise ModelLoadFailed(f"{soundfont.name} is no SoundFont that can be read.") from error
        self._rate = rate
        self._levels: dict[tuple[Part, int], float] = {}

    def taken_by(self, part: Part, instrument: Instrument, per_beat: float) -> "PartPlayer":
        """Someone to play a part, at `per_beat` frames a beat."""
        gain = instrument.gain_db + self._level(part, instrument.program)
        return self._player(part, instrument.program, gain, instrument.pan, per_beat)

    def _level(self, part: Part, program: int) -> float:
        """The gain in dB that makes a program as loud as the part shall be."""
        if (part, program) not in self._levels:
            notes, target = _SAMPLE[part]
            player = self._player(part, program, 0.0, 0.0, _SAMPLE_BEAT_SECONDS * self._rate)
            player.read(Passage("verse", 1, {part: notes}, ()), 0)
            sound = player.render(round(BEATS * _SAMPLE_BEAT_SECONDS * self._rate))
            heard = loudness(sound, self._rate)
            self._levels[part, program] = target - heard if math.isfinite(heard) else 0.0
        return self._levels[part, program]

    def _player(
        self, part: Part, program: int, gain_db: float, pan: float, per_beat: float
    ) -> "PartPlayer":
        synth = _tinysoundfont.SoundFont(self._font)
        synth.set_output(_tinysoundfont.OutputMode.StereoInterleaved, self._rate, 0.0)
        synth.set_max_voices(_MAX_VOICES)
        synth.channel_set_preset_number(0, program, part == "drums")
        synth.channel_set_pan(0, (pan + 1) / 2)
        synth.channel_set_volume(0, 10 ** (gain_db / 20))
        return PartPlayer(part, synth, per_beat)


class PartPlayer:
    """Plays one part of one piece. Frames are counted from the start."""

    def __init__(self, part: Part, synth: _tinysoundfont.SoundFont, per_beat: float) -> None:
        self.part: Part = part
        self._synth, self._per_beat = synth, per_beat
        # What is to come: frame, whether it begins a note (ends come first), pitch, velocity.
        self._events: list[tuple[int, bool, int, int]] = []
        self._held: dict[int, int] = {}
        self._at = 0

    def read(self, passage: Passage, beat: int) -> None:
        """Takes the notes of a passage that starts at `beat`."""
        for note in performed(passage, self.part):
            start, end = self._frames(note, beat)
            heapq.heappush(self._events, (start, True, note.pitch, note.velocity))
            heapq.heappush(self._events, (end, False, note.pitch, 0))

    def render(self, frames: int) -> Samples:
        """The next frames, `(frames, 2)`."""
        sound = np.zeros((frames, 2), np.float32)
        start, end = self._at, self._at + frames
        while self._at < end:
            while self._events and self._events[0][0] <= self._at:
                self._act(*heapq.heappop(self._events)[1:])
            until = min(end, self._at + _SLICE)
            if self._events:
                until = min(until, self._events[0][0])
            self._synth.render(sound[self._at - start : until - start], False)
            self._at = until
        return sound

    def _frames(self, note: Note, beat: int) -> tuple[int, int]:
        duration = max(note.duration, _RING) if self.part == "drums" else note.duration
        start = round((beat + note.start) * self._per_beat)
        return start, max(start + 1, round((beat + note.start + duration) * self._per_beat))

    def _act(self, begins: bool, pitch: int, velocity: int) -> None:
        """A key that is struck again while it is held is let go of first."""
        held = self._held.get(pitch, 0)
        if held == 1 or (begins and held):
            self._synth.channel_note_off(0, pitch)
        if begins:
            self._synth.channel_note_on(0, pitch, velocity / 127)
        self._held[pitch] = held + (1 if begins else -1)
