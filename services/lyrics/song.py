"""A song: what is asked for, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from services.runtime.sections import Kind

#: What the listener shall feel: labels as classifiers of emotion have them, and what a writer is
#: told of each.
MOODS: Mapping[str, str] = MappingProxyType(
    {
        "neutral": "plain and matter-of-fact",
        "calm": "calm and gentle",
        "happy": "happy and bright",
        "sad": "sad and tender",
        "angry": "angry and loud",
        "fearful": "anxious and dark",
        "disgust": "bitter and full of disgust",
        "surprised": "amazed and breathless",
    }
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A song to write. Empty texts are nobody's choice; `language` is BCP 47.

    `first_line` is the first of the song, to be kept as it is.
    """

    sections: tuple[Kind, ...]
    lines: int
    language: str
    title: str = ""
    style: str = ""
    theme: str = ""
    mood: str = ""
    first_line: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `section` counts from 0, `logprobs` are those of its tokens where asked for."""

    section: int
    kind: Kind
    text: str
    syllables: int
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a song: tokens read anew, and tokens generated, those of rejected lines too."""

    prompt_tokens: int
    completion_tokens: int


def returning(sections: Sequence[Kind]) -> dict[int, int]:
    """The sections that have the lines of an earlier one again, and which that is.

    A chorus returns. One that directly follows another is new: else the same lines would come
    over and over.
    """
    first = next((at for at, kind in enumerate(sections) if kind == "chorus"), None)
    return {
        at: first
        for at, kind in enumerate(sections)
        if first is not None and kind == "chorus" and at > first and sections[at - 1] != "chorus"
    }
