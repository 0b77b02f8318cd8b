"""A classifier of transformers as one graph: from samples, as they were recorded, to logits."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from services.emotion.engine import SAMPLE_RATE
from services.emotion.features import SHORTEST_SECONDS

INPUTS, OUTPUTS = ("AUDIO", "LENGTH"), ("LOGITS",)

#: What Triton's ONNX Runtime of the last years reads.
_OPSET = 17

_SHORTEST = round(SHORTEST_SECONDS * SAMPLE_RATE)

#: What feature extractors add to a variance before they divide by its root.
_LEAST_VARIANCE = 1e-7


class Network(torch.nn.Module):  # type: ignore[misc]
    """What a feature extractor does, and the network after it.

    `levels` is whether samples are brought to a mean of 0 and a variance of 1, `masks` whether the
    network is told where sound ends.
    """

    def __init__(self, network: Any, *, levels: bool, masks: bool) -> None:
        super().__init__()
        self._network = network
        self._levels = levels
        self._masks = masks
        # The exporter puts a network back into the mode in which it found the whole.
        self.eval()

    def forward(self, audio: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Windows `(batch, samples)` of which `length`, `(batch, 1)`, samples are sound: logits
        `(batch, labels)`. Whatever a length says, at least so much is sound as networks need, and
        no more than there is.
        """
        places = torch.arange(audio.shape[1], device=audio.device)[None, :]
        sounds = places < length.clamp(min=_SHORTEST)
        audio = audio * sounds
        if self._levels:
            count = sounds.sum(1, keepdim=True)
            centred = (audio - audio.sum(1, keepdim=True) / count) * sounds
            variance = (centred * centred).sum(1, keepdim=True) / count
            audio = centred * torch.rsqrt(variance + _LEAST_VARIANCE)
        mask = {"attention_mask": sounds.long()} if self._masks else {}
        logits: torch.Tensor = self._network(audio, **mask).logits
        return logits


def write(network: Network, path: Path) -> None:
    """Writes the graph with its weights, for any number of windows of any length.

    Weights of more than 2 GB become files beside it.
    """
    audio = torch.zeros(2, SAMPLE_RATE)
    length = torch.full((2, 1), SAMPLE_RATE)
    with _quietly(), torch.no_grad():
        torch.onnx.export(
            network,
            (audio, length),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={
                "AUDIO": {0: "batch", 1: "samples"},
                "LENGTH": {0: "batch"},
                "LOGITS": {0: "batch"},
            },
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter tells developers: how else it might be called, and what it takes
    for a constant. Whether it was right to, the comparison of the results tells.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
