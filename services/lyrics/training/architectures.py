"""The architectures that we can export: what their weights are called and how they lie in GGUF."""

from dataclasses import dataclass

import gguf
import numpy as np
from numpy.typing import NDArray

from services.lyrics.training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one kind of model is kept in GGUF.

    `targets` are the matrices that LoRA adapts: those of attention. In GGUF the rows of the
    matrices that `permuted` names lie as llama.cpp's rotary embedding takes them, in pairs;
    `transposed` are those that Hugging Face keeps as inputs by outputs.
    """

    gguf: gguf.MODEL_ARCH
    targets: tuple[str, ...]
    permuted: tuple[str, ...] = ()
    transposed: tuple[str, ...] = ()


_LLAMA = Architecture(
    gguf.MODEL_ARCH.LLAMA, ("q_proj", "k_proj", "v_proj", "o_proj"), ("q_proj", "k_proj")
)
ARCHITECTURES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": Architecture(gguf.MODEL_ARCH.QWEN2, ("q_proj", "k_proj", "v_proj", "o_proj")),
    "gpt2": Architecture(
        gguf.MODEL_ARCH.GPT2,
        ("c_attn", "attn.c_proj"),
        transposed=("c_attn", "c_proj", "c_fc"),
    ),
}


def architecture(model_type: str) -> Architecture:
    """The architecture that Hugging Face calls `model_type`. Raises `TrainingError`."""
    if model_type not in ARCHITECTURES:
        raise TrainingError(
            f"A model of the type '{model_type}' cannot be exported; "
            f"the base must be one of {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[model_type]


class Names:
    """What a weight of Hugging Face's is called in GGUF."""

    def __init__(self, kind: Architecture, layers: int) -> None:
        self._map = gguf.get_tensor_name_map(kind.gguf, layers)

    def __call__(self, name: str) -> str:
        """`model.layers.0.mlp.up_proj.weight` becomes `blk.0.ffn_up.weight`.

        Raises `TrainingError` for what GGUF has no name for.
        """
        found = self._map.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise TrainingError(f"GGUF has no place for the weight '{name}' of the base.")
        return found


def permuted(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a query or key matrix, or of its bias, in llama.cpp's order.

    Hugging Face turns the first half of a head's dimensions with the second half, llama.cpp each
    even one with the odd one after it. `rows` is (outputs, ...).
    """
    split = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def belongs(name: str, modules: tuple[str, ...]) -> bool:
    """Whether a weight is that of one of these modules."""
    return any(f".{module}." in f".{name}." for module in modules)
