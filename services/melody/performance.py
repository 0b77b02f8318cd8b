"""Notes as the band plays them: a little unevenly, and the same way every time."""

import numpy as np

from services.melody.composition import PARTS, Note, Part, Passage

#: How far a velocity may be from the written one.
_UNEVEN = 5
#: A shorter note would be a click; beats.
_SHORTEST = 1 / 32


def performed(passage: Passage, part: Part) -> tuple[Note, ...]:
    """The notes of a part, in the order in which they begin."""
    written = sorted(
        passage.parts.get(part, ()), key=lambda note: (note.start, note.pitch, note.duration)
    )
    draw = np.random.default_rng([PARTS.index(part), len(written)])
    shifts = draw.integers(-_UNEVEN, _UNEVEN, len(written), endpoint=True).tolist()
    return tuple(
        Note(
            note.pitch,
            note.start,
            max(note.duration, _SHORTEST),
            min(127, max(1, note.velocity + shift)),
        )
        for note, shift in zip(written, shifts, strict=True)
    )
