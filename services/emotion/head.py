"""The trained part of a classifier: a linear layer on standardised features, in NumPy.

Its file is an `.npz` of plain arrays that says what it is, which labels it tells and which features
it reads, so that a head is never put on an encoder whose features mean something else.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: What a file of ours says that it is.
FORMAT = "orfeon-head/2"

_ARRAYS = ("mean", "scale", "weight", "bias")


@dataclass(frozen=True, eq=False)
class Head:
    """`softmax((weight @ ((features - mean) / scale) + bias) / temperature)`.

    `mean` and `scale` have shape `(features,)`, `weight` `(labels, features)`, `bias` `(labels,)`.
    `reads` names the features, as the encoder that makes them names them. Raises `ValueError` for
    arrays that do not fit together or are not finite.
    """

    labels: list[str]
    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    temperature: float = 1.0
    reads: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.labels), self.mean.size)
        if (
            self.weight.shape != shape
            or self.bias.shape != shape[:1]
            or self.mean.shape != self.scale.shape
            or self.mean.ndim != 1
        ):
            raise ValueError("its arrays do not fit together")
        if not 0 < len(self.labels) == len(set(self.labels)):
            raise ValueError("its labels are not each named once")
        if not all(np.isfinite(getattr(self, name)).all() for name in _ARRAYS):
            raise ValueError("some of its numbers are not finite")
        if not (self.scale > 0).all() or not 0 < self.temperature < np.inf:
            raise ValueError("its scale and temperature are not all above 0")

    def logits(self, features: Floats) -> Floats:
        """Shape `(..., features)` to `(..., labels)`, before temperature and softmax."""
        standard = (features - self.mean) / self.scale
        return np.asarray(standard @ self.weight.T + self.bias, dtype=np.float32)

    def probabilities(self, features: Floats) -> Floats:
        """Shape `(..., features)` to `(..., labels)`, summing to 1 along the last axis."""
        return softmax(self.logits(features) / np.float32(self.temperature))

    def save(self, path: Path) -> None:
        """Writes an `.npz`. The weights lose what float16 cannot hold."""
        with path.open("wb") as file:
            np.savez(
                file,
                format=np.array(FORMAT),
                reads=np.array(self.reads),
                labels=np.array(self.labels),
                temperature=np.float64(self.temperature),
                mean=self.mean.astype(np.float32),
                scale=self.scale.astype(np.float32),
                weight=self.weight.astype(np.float16),
                bias=self.bias.astype(np.float32),
            )

    @classmethod
    def load(cls, path: Path) -> "Head":
        """Reads what `save` wrote.

        Raises `ValueError`, with a sentence that names the file, for anything else, and `OSError`.
        """
        try:
            return cls._read(path)
        except KeyError as error:
            reason = f"it has no array called {error.args[0].split()[0]}"
        except (zipfile.BadZipFile, zlib.error, EOFError):
            reason = "it is damaged or something else"
        except (ValueError, TypeError) as error:
            reason = str(error)
        raise ValueError(
            f"{path.name} is no head that can be used: {reason}. Copy it anew, or train it again."
        )

    @classmethod
    def _read(cls, path: Path) -> "Head":
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile
        with np.load(path, allow_pickle=False) as arrays:
            if "format" not in arrays or str(arrays["format"]) != FORMAT:
                raise ValueError(f"it is not of the format {FORMAT}")
            return cls(
                labels=[str(label) for label in arrays["labels"]],
                mean=arrays["mean"].astype(np.float32),
                scale=arrays["scale"].astype(np.float32),
                weight=arrays["weight"].astype(np.float32),
                bias=arrays["bias"].astype(np.float32),
                temperature=float(arrays["temperature"]),
                reads=str(arrays["reads"]),
            )

    def fit_for(self, name: str, labels: list[str], reads: str) -> "Head":
        """Itself, where the model called `name` has these labels and an encoder of these features.

        Raises `ValueError` otherwise.
        """
        if self.labels != labels:
            raise ValueError(
                f"{name}: model.yaml names the labels {', '.join(labels)}, but its head tells "
                f"{', '.join(self.labels)}. Give both the same, in the same order."
            )
        if self.reads != reads:
            raise ValueError(
                f"{name}: its head reads {self.reads or 'what has no name'}, but its encoder gives "
                f"{reads}. Train the head on this encoder."
            )
        return self


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float32)
