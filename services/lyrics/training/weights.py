"""A base as transformers sees it: weights to train and the tokeniser that goes with them."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from services.lyrics.training.architectures import architecture
from services.lyrics.training.base import Base
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.recipe import Recipe
from services.runtime.llama.generation import Message, Prompt


class HuggingFaceReader:
    """A `Reader` on a tokeniser of transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def end(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def template(self) -> Literal["chat", "text"]:
        """Whether the model knows conversations."""
        return "chat" if self.tokenizer.chat_template else "text"

    def conversation(self, messages: Sequence[Message]) -> Prompt:
        turns = [{"role": message.role, "content": message.text} for message in messages]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self.text(text)

    def lengths(self, lines: list[str]) -> list[int]:
        return [len(ids) for ids in self.tokenizer(lines, add_special_tokens=False)["input_ids"]]

    def text(self, text: str) -> Prompt:
        return Prompt(tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]))


def quiet() -> None:
    """Keeps transformers' own bars and notices away: training has its own."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # What peft asks of transformers, and what it looks for in a folder that holds GGUF.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", "Could not find a config file", UserWarning, "peft")


def reader(base: Base) -> HuggingFaceReader:
    """The base's tokeniser. Raises `TrainingError`."""
    return HuggingFaceReader(_loaded(AutoTokenizer, base))


def config(base: Base, length: int) -> Any:
    """The base's shape, which is one that we can export and that reads `length` tokens.

    Raises `TrainingError`.
    """
    found = _loaded(AutoConfig, base)
    architecture(found.model_type)
    if length > found.max_position_embeddings:
        raise TrainingError(
            f"The base reads {found.max_position_embeddings} tokens; the length must not be more."
        )
    return found


def model(base: Base) -> Any:
    """The base's weights, in float32. Raises `TrainingError`."""
    found = _loaded(AutoModelForCausalLM, base, dtype=torch.float32)
    if base.gguf:
        # They are no longer quantised, and transformers would not train them if they were.
        del found.config.quantization_config
        found.is_quantized = False
    return found


def trainable(base_model: Any, recipe: Recipe) -> Any:
    """The base with what the recipe trains: all of it, or a LoRA adapter beside it."""
    if recipe.method == "full":
        return base_model
    kind = architecture(base_model.config.model_type)
    return get_peft_model(
        base_model,
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            target_modules=list(kind.targets),
            fan_in_fan_out=bool(kind.transposed),
            task_type="CAUSAL_LM",
        ),
    )


def adapter_arrays(model: Any) -> dict[str, NDArray[np.float32]]:
    """The weights of a model's LoRA adapter, by peft's names."""
    # Vocabularies stay as they are; to find that out peft would look for the base on the hub.
    return _arrays(get_peft_model_state_dict(model, save_embedding_layers=False))


def arrays(model: Any) -> dict[str, NDArray[np.float32]]:
    """All weights of a model."""
    return _arrays(model.state_dict())


def _arrays(state: Mapping[str, torch.Tensor]) -> dict[str, NDArray[np.float32]]:
    return {name: value.detach().float().cpu().numpy() for name, value in state.items()}


def _loaded(factory: Any, base: Base, **options: Any) -> Any:
    if base.gguf:
        options["gguf_file"] = base.gguf
    try:
        return factory.from_pretrained(base.source, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TrainingError(f"The base '{base.source}' cannot be loaded: {reason}") from error
