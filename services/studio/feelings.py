"""What voices tell, as people call it, each with a colour."""

from dataclasses import dataclass

from services.studio.markup import text
from services.studio.texts import Texts, sentences

#: Hues, degrees; what has none is grey.
_HUES = {
    "happy": 45,
    "surprised": 320,
    "angry": 8,
    "fearful": 275,
    "disgust": 95,
    "sad": 215,
    "calm": 175,
    "bored": 28,
}


@dataclass(frozen=True, slots=True)
class Feeling:
    """`name` is HTML. `style` is for an element of the class `feeling`, which has its colour."""

    name: str
    style: str


def feeling(label: str, t: Texts) -> Feeling:
    """A model's label for people; one that we have no word for is shown as it is."""
    key = f"feelings.{label}"
    name = t(key) if key in sentences() else label
    hue = _HUES.get(label)
    style = "--hue:0;--chroma:0%" if hue is None else f"--hue:{hue};--chroma:75%"
    return Feeling(text(name), style)
