"""The trained part of the emotion model: a linear layer on standardised features, in NumPy."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    """`softmax(weight @ (features - mean) / scale + bias)`.

    `mean` and `scale` have shape `(features,)`, `weight` `(labels, features)`, `bias` `(labels,)`.
    """

    labels: list[str]
    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats

    def probabilities(self, features: Floats) -> Floats:
        """Shape `(..., features)` to `(..., labels)`, summing to 1 along the last axis."""
        logits = ((features - self.mean) / self.scale) @ self.weight.T + self.bias
        raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Writes an `.npz` of plain arrays."""
        np.savez(
            path,
            labels=np.array(self.labels),
            mean=self.mean,
            scale=self.scale,
            weight=self.weight,
            bias=self.bias,
        )

    @classmethod
    def load(cls, path: Path) -> "Head":
        """Reads what `save` wrote. Raises `ValueError` for arrays that do not fit together."""
        with np.load(path, allow_pickle=False) as arrays:
            head = cls(
                [str(label) for label in arrays["labels"]],
                *(arrays[name].astype(np.float32) for name in ("mean", "scale", "weight", "bias")),
            )
        shape = (len(head.labels), head.mean.size)
        if (
            head.weight.shape != shape
            or head.bias.shape != shape[:1]
            or head.scale.size != shape[1]
        ):
            raise ValueError(f"{path.name}: the arrays do not fit together")
        return head
