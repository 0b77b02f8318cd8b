"""How a classifier is trained: the settings of one run, and the profile that they start from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from services.emotion.training.errors import Misuse

Method = Literal["full", "head"]
Split = Literal["speaker", "random"]
Metric = Literal["accuracy", "uar", "f1"]
Freeze = Literal["none", "features", "encoder"]

#: What each method starts from where nothing else is named.
BASES: dict[Method, str] = {"full": "facebook/wav2vec2-base", "head": "whisper-tiny"}


#: What is told of other sounds than speech.
SOUNDS = frozenset({"sound", "music", "animal", "noise"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of one run.

    Those of `full` have the values of the thesis that this service descends from: crops of 2 s at
    16 kHz, 3e-5, 32 x 4 clips a step, 10 epochs. To `head` data, labels, splits, class weights,
    augmentation, copies and seed alone mean something.
    """

    method: Method
    data: str
    """Folder, table, or data set of the hub."""
    base: str
    classifies: str = "emotion"
    speech: bool | None = None
    """Whether people speak in the recordings, so that where nobody does there is nothing to tell;
    None says so of all but `SOUNDS`."""
    labels: tuple[str, ...] = ()
    """Those that the data must have, and no others; empty for what there is."""
    drop: tuple[str, ...] = ()
    """Labels whose clips are left out."""
    merge: tuple[tuple[str, str], ...] = ()
    """Labels and what they are to be called."""
    split: Split = "speaker"
    held_out: float = 0.15
    """Share of the clips to choose the best checkpoint by, and as large a share to test with."""
    seconds: float = 2.0
    """Length of a crop, and of the windows that the model is served with."""
    learning_rate: float = 3e-5
    batch: int = 32
    accumulation: int = 4
    """A step sees `batch * accumulation` clips."""
    epochs: float = 10.0
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; after them it falls to 0."""
    weight_decay: float = 0.0
    metric: Metric = "accuracy"
    """What the best checkpoint is chosen by."""
    class_weights: bool = True
    """Whether the clips of rare classes count more, so that all classes count as much."""
    freeze: Freeze = "features"
    """What stays as it is: nothing, the convolutions that read samples, or all but the head."""
    augment: bool = True
    noise: str = ""
    """A folder of recorded noise, one folder for each kind, to augment with; else it is white."""
    copies: int = 2
    """Augmented copies of each clip that a head learns from."""
    checkpoint_every: int = 0
    """Steps between two evaluations, each of which leaves a checkpoint; 0 for every epoch."""
    seed: int = 1
    fp16: bool = True
    """Whether a GPU computes in 16 bits; a CPU never does."""
    licence: str = ""
    """What the maker says of what comes out; empty leaves it to data and base."""
    commercial_use: bool | None = None
    """Likewise."""

    def __post_init__(self) -> None:
        for name, (least, most, rule) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise Misuse(f"--{name.replace('_', '-')} must be {rule}.")
        for name, kind in (("split", Split), ("metric", Metric), ("freeze", Freeze)):
            if getattr(self, name) not in get_args(kind):
                raise Misuse(f"--{name} is one of {', '.join(get_args(kind))}.")

    @property
    def of_speech(self) -> bool:
        """Whether the model is to listen for people."""
        return self.classifies not in SOUNDS if self.speech is None else self.speech

    def save(self, path: Path) -> None:
        """Writes the recipe as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> "Recipe":
        """Reads what `save` wrote. Raises `Misuse`."""
        try:
            read = json.loads(path.read_text("utf-8"))
            for name in ("labels", "drop"):
                read[name] = tuple(read[name])
            read["merge"] = tuple((old, new) for old, new in read["merge"])
            return cls(**read)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Misuse(
                f"{path.parent} holds no training to resume; start one without --resume."
            ) from error


_RANGES: dict[str, tuple[float, float, str]] = {
    "held_out": (0.01, 0.4, "a share from 0.01 to 0.4"),
    "seconds": (0.5, 30, "from 0.5 to 30 seconds"),
    "learning_rate": (1e-9, 1, "more than 0 and at most 1"),
    "batch": (1, 4096, "from 1 to 4096 clips"),
    "accumulation": (1, 4096, "from 1 to 4096 batches"),
    "epochs": (0.01, 10_000, "from 0.01 to 10000"),
    "warmup": (0, 0.99, "a share from 0 to 0.99"),
    "weight_decay": (0, 1, "from 0 to 1"),
    "checkpoint_every": (0, 10**9, "0 (every epoch) or more steps"),
    "copies": (0, 100, "from 0 to 100"),
    "seed": (0, 2**32 - 1, "from 0 to 4294967295"),
}
