"""Classification of a recording; a route of ours, in OpenAI's manner."""

from typing import Literal

from typing_extensions import TypedDict


class LabelScore(TypedDict):
    """One label and its probability."""

    label: str
    score: float


class Classification(TypedDict):
    """What was heard. Every label, best first; the scores sum to 1. `duration` is in seconds."""

    object: Literal["audio.classification"]
    model: str
    duration: float
    labels: list[LabelScore]
