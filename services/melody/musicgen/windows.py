"""How a model writes more than it can see at once: windows, each begun with the end of the last."""

from collections.abc import Iterator
from dataclasses import dataclass

#: Seconds that MusicGen has learnt to write, and how much of them the next window begins with.
WINDOW_SECONDS, OVERLAP_SECONDS = 30.0, 20.0


@dataclass(frozen=True, slots=True)
class Window:
    """Frames `begin` to `end` of the piece, of which those before `new` are there already."""

    begin: int
    new: int
    end: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How many frames a model writes at once, and how many of the last window it goes on from."""

    frames: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 < self.overlap < self.frames:
            raise ValueError("the overlap of windows must be shorter than they are")

    def windows(self, frames: int) -> Iterator[Window]:
        """Windows that together write `frames` frames; one alone where they fit it."""
        end = min(frames, self.frames)
        yield Window(0, 0, end)
        while end < frames:
            begin, new = end - self.overlap, end
            end = min(frames, begin + self.frames)
            yield Window(begin, new, end)

    def steps(self, frames: int, delay: int) -> int:
        """Steps that this takes; each window needs `delay` more than it has new frames."""
        return sum(window.end - window.new + delay for window in self.windows(frames))
