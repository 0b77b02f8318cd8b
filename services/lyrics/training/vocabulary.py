"""A tokeniser in GGUF: byte-level BPE, as GPT-2, SmolLM, Llama 3 and Qwen have it."""

import json
from typing import Any

import gguf

from services.lyrics.training.errors import TrainingError

_LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
_QWEN_2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"


def add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Any, size: int) -> None:
    """Writes a tokeniser of transformers for embeddings of `size` rows. Raises `TrainingError`."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    if parts["model"]["type"] != "BPE" or parts["model"].get("byte_fallback"):
        raise TrainingError(
            "The base's tokeniser is not byte-level BPE and cannot be exported; "
            "start from its GGUF instead."
        )
    kinds = [gguf.TokenType.UNUSED] * size
    tokens = [f"[PAD{number}]" for number in range(size)]
    for token, number in parts["model"]["vocab"].items():
        tokens[number], kinds[number] = token, gguf.TokenType.NORMAL
    for added in parts["added_tokens"]:
        number = added["id"]
        tokens[number] = added["content"]
        kinds[number] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    merges = parts["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_splitting(parts["pre_tokenizer"]))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    _add_special(writer, tokenizer)


def _add_special(writer: gguf.GGUFWriter, tokenizer: Any) -> None:
    bos = tokenizer.bos_token_id
    writer.add_add_bos_token(bos is not None and tokenizer("a")["input_ids"][:1] == [bos])
    for number, add in (
        (bos, writer.add_bos_token_id),
        (tokenizer.eos_token_id, writer.add_eos_token_id),
        (tokenizer.unk_token_id, writer.add_unk_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
    ):
        if number is not None:
            add(number)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _splitting(parts: dict[str, Any] | None) -> str:
    """llama.cpp's name for the way that text is cut before merging. Raises `TrainingError`."""
    steps = (parts or {}).get("pretokenizers", [parts or {"type": "none"}])
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"] and steps[0]["use_regex"]:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0]["individual_digits"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        pattern = steps[0]["pattern"].get("Regex", "")
        for start, name in ((_LLAMA_3, "llama-bpe"), (_QWEN_2, "qwen2")):
            if pattern.startswith(start):
                return name
    raise TrainingError(
        f"llama.cpp has no name for the way the base's tokeniser cuts text ({', '.join(kinds)}); "
        "start from its GGUF instead."
    )
