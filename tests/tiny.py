"""Language models of a few thousand weights, with a tokeniser: what training is tested with."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SONG = "The river runs to the sea and the night is cold\nYou and I will be old, 1999 times\n"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_model(folder: Path, kind: str, *, template: str = "", layers: int = 2) -> Path:
    """A model of random weights in Hugging Face's layout: `llama`, `qwen2` or `gpt2`."""
    tokenizer = _tokenizer(kind, template)
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(_config(kind, len(tokenizer), layers))
    # As they come, random weights all but agree; these have something to say.
    with torch.no_grad():
        for values in model.parameters():
            if values.ndim == 2:
                values.mul_(4)
            else:
                values.add_(torch.randn_like(values) / 10)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _config(kind: str, words: int, layers: int) -> Any:
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    if kind == "gpt2":
        return transformers.GPT2Config(
            vocab_size=words, n_positions=512, n_embd=64, n_layer=layers, n_head=4, **ends
        )
    factory = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[kind]
    return factory(
        vocab_size=words, hidden_size=64, intermediate_size=96, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        tie_word_embeddings=kind == "llama", **ends,
    )  # fmt: skip


def _tokenizer(kind: str, template: str) -> Any:
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = (
        byte_level
        if kind == "gpt2"
        else pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SONG], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[0],
        chat_template=template or None,
    )  # fmt: skip
