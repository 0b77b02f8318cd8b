"""Trained weights as GGUF: a whole model, or a LoRA adapter for one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from services.lyrics.training.architectures import (
    Architecture,
    Names,
    architecture,
    belongs,
    permuted,
)
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.vocabulary import add_vocabulary

Weights = Mapping[str, NDArray[np.float32]]
"""Weights by their names in Hugging Face's models."""

#: Beside vectors, what llama.cpp wants in float32.
_EXACT = ("position_embd.weight",)


def write_adapter(path: Path, weights: Weights, config: Any, *, alpha: float, name: str) -> None:
    """Writes a LoRA adapter in float16. Raises `TrainingError`.

    `weights` are peft's pairs: `<module>.lora_A.weight` (rank, inputs) and `<module>.lora_B.weight`
    (outputs, rank). `config` is that of the base.
    """
    kind = architecture(config.model_type)
    names = Names(kind, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind.gguf])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(name)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(alpha))
    for full, values in weights.items():
        module, part, _ = full.removeprefix("base_model.model.").rsplit(".", 2)
        rows = values
        if part == "lora_B" and belongs(module, kind.permuted):
            rows = permuted(values, _heads(module, config))
        writer.add_tensor(
            f"{names(f'{module}.weight')}.{part.lower()}",
            np.ascontiguousarray(rows, np.float16),
        )
    _finish(writer)


def write_model(path: Path, weights: Weights, config: Any, tokenizer: Any, *, name: str) -> None:
    """Writes a whole model, matrices in float16. Raises `TrainingError`."""
    kind = architecture(config.model_type)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind.gguf])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    _add_shape(writer, kind, config)
    add_vocabulary(writer, tokenizer, config.vocab_size)
    _add_weights(writer, weights, kind, config)
    _finish(writer)


def rewrite_model(path: Path, base: Path, weights: Weights, config: Any, *, name: str) -> None:
    """Writes a whole model with everything but its weights as in the GGUF file `base`.

    Raises `TrainingError`.
    """
    kind = architecture(config.model_type)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[kind.gguf])
    own = {
        "general.architecture",
        "general.name",
        "general.file_type",
        "general.quantization_version",
    }
    for field in gguf.GGUFReader(base).fields.values():
        if field.name in own or field.name.startswith("GGUF."):
            continue
        listed = field.types[0] == gguf.GGUFValueType.ARRAY
        writer.add_key_value(
            field.name, field.contents(), field.types[0], field.types[-1] if listed else None
        )
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_weights(writer, weights, kind, config)
    _finish(writer)


def _add_weights(
    writer: gguf.GGUFWriter, weights: Weights, kind: Architecture, config: Any
) -> None:
    names = Names(kind, config.num_hidden_layers)
    for full, values in weights.items():
        if full == "lm_head.weight" and config.tie_word_embeddings:
            continue
        rows = values
        if belongs(full, kind.permuted):
            rows = permuted(values, _heads(full, config))
        if rows.ndim == 2 and belongs(full, kind.transposed):
            rows = rows.T
        exact = rows.ndim == 1 or names(full) in _EXACT
        writer.add_tensor(
            names(full), np.ascontiguousarray(rows, np.float32 if exact else np.float16)
        )


def _add_shape(writer: gguf.GGUFWriter, kind: Architecture, config: Any) -> None:
    width, heads = config.hidden_size, config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(width)
    writer.add_head_count(heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if kind.gguf is gguf.MODEL_ARCH.GPT2:
        writer.add_feed_forward_length(config.n_inner or 4 * width)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    rotation = config.rope_parameters
    if rotation.get("rope_type", "default") != "default":
        raise TrainingError(
            f"The base scales its positions ({rotation['rope_type']}), which our export of whole "
            "models does not; start from its GGUF instead."
        )
    size = getattr(config, "head_dim", None) or width // heads
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(rotation["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _heads(name: str, config: Any) -> int:
    keys = belongs(name, ("k_proj",))
    return int(config.num_key_value_heads if keys else config.num_attention_heads)


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
