"""Pictures of songs: `python scripts/song_pictures.py OUTPUT FOLDER...`, one of each folder.

A folder is what `orfeon song --all FOLDER` leaves: its song is drawn as a spectrogram, its notes as
a piano roll beneath, with the lines of the lyrics where they are sung.
"""

import io
import re
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import symusic
from matplotlib import pyplot as plt
from PIL import Image

_COLOURS = {"lead": "#c0392b", "chords": "#2980b9", "bass": "#27ae60"}
#: Hertz to which the song is drawn.
_HIGHEST = 11_025


def main() -> None:
    """See the module."""
    output = Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    for folder in map(Path, sys.argv[2:]):
        picture = output / f"{folder.name}.png"
        draw(folder, picture)
        print(picture)


def draw(folder: Path, picture: Path) -> None:
    """Draws one song."""
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(12, 6.4), sharex=True, height_ratios=(3, 4), layout="constrained"
    )
    samples, rate = sound(folder / "song.mp3")
    with np.errstate(divide="ignore"):  # Silence has no level.
        above.specgram(samples, NFFT=2048, Fs=rate, noverlap=1024, vmin=-120, cmap="magma")
    above.set(ylim=(0, _HIGHEST), ylabel="Hz")
    above.set_title(folder.name)
    roll(below, folder / "melody.mid")
    for at, _ in lines(folder / "lyrics.lrc"):
        below.axvline(at, color="#888888", linewidth=0.5, linestyle=":")
    below.set(xlim=(0, len(samples) / rate), xlabel="s, a dotted line at each line of the lyrics")
    below.set_ylabel("MIDI note")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=70)
    plt.close(figure)
    # A third of the size, and no difference to be seen.
    Image.open(buffer).quantize(128).save(picture)


def roll(axes: Any, path: Path) -> None:
    """Draws the notes of all parts, the drums at the bottom."""
    score: Any = symusic.Score(str(path))
    score = score.to("second")
    for track in score.tracks:
        name = track.name.lower()
        colour = "#7f8c8d" if track.is_drum else _COLOURS.get(name, "#8e44ad")
        pitches = [26 + note.pitch % 8 if track.is_drum else note.pitch for note in track.notes]
        starts = [note.start for note in track.notes]
        lengths = [0.05 if track.is_drum else note.duration for note in track.notes]
        axes.barh(pitches, lengths, left=starts, height=0.8, color=colour, label=name)
    axes.legend(loc="upper right", ncols=4, fontsize=8)


def lines(path: Path) -> list[tuple[float, str]]:
    """The lines of an LRC file, with their seconds."""
    found = re.findall(r"^\[(\d+):(\d+\.\d+)\](.*)$", path.read_text("utf-8"), re.MULTILINE)
    return [(60 * int(minutes) + float(rest), text) for minutes, rest, text in found]


def sound(path: Path) -> tuple[np.ndarray, int]:
    """Both channels in one, and their rate."""
    with av.open(str(path), "r") as container:
        rate = container.streams.audio[0].rate
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1).mean(axis=0), rate


if __name__ == "__main__":
    main()
