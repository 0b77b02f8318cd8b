"""What llama.cpp makes of a model and an adapter: what is exported is heard before it is given."""

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from llama_cpp import llama_cpp
from numpy.typing import NDArray

from services.lyrics.training.errors import TrainingError
from services.lyrics.training.passages import Passage
from services.runtime.errors import ModelLoadFailed
from services.runtime.llama.weights import Weights, start_library
from services.runtime.residency.placement import CPU, Placement


class Served:
    """A GGUF model in llama.cpp, with an adapter or without, that reads up to `length` tokens.

    Raises `TrainingError` for a file that llama.cpp cannot load. Leaving its context frees it.
    """

    def __init__(self, model: Path, adapter: Path | None, length: int) -> None:
        start_library()
        try:
            self._weights = Weights(model, Placement(((CPU, 0),)))
            self._weights.load_adapters({"": adapter} if adapter else {})
        except ModelLoadFailed as error:
            raise TrainingError(str(error)) from error
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = params.n_outputs_max = length
        self._context: Any = llama_cpp.llama_init_from_model(self._weights.model, params)
        if not self._context:
            raise TrainingError(f"llama.cpp has no room for a context of {length} tokens.")
        if adapter:
            pointers = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._weights.adapter(""))
            scales = (ctypes.c_float * 1)(1.0)
            llama_cpp.llama_set_adapters_lora(self._context, pointers, 1, scales)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        llama_cpp.llama_free(self._context)
        self._weights.close()

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, none added."""
        return self._weights.tokenize(text, special=False)

    def logits(self, tokens: list[int]) -> NDArray[np.float32]:
        """What the model expects after each token, (tokens, vocabulary)."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for at, token in enumerate(tokens):
                batch.token[at], batch.pos[at], batch.logits[at] = token, at, True
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, 0
            if code := llama_cpp.llama_decode(self._context, batch):
                raise RuntimeError(f"llama_decode failed with {code}")
            rows = llama_cpp.llama_get_logits(self._context)
            shape = (len(tokens), self._weights.size)
            return np.array(np.ctypeslib.as_array(rows, shape), np.float32)
        finally:
            llama_cpp.llama_batch_free(batch)

    def loss(self, passage: Passage) -> tuple[float, int]:
        """The loss of what follows a passage's prompt, in nats altogether, and over how many."""
        tokens = passage.tokens.astype(int).tolist()
        expected = self.logits(tokens)[passage.prompt - 1 : -1]
        learned = tokens[passage.prompt :]
        highest = expected.max(axis=1, keepdims=True)
        total = np.log(np.exp(expected - highest).sum(axis=1)) + highest[:, 0]
        chosen = expected[np.arange(len(learned)), learned]
        return float((total - chosen).sum()), len(learned)


def perplexity(served: Served, passages: list[Passage]) -> float:
    """Perplexity per token over all that these passages hold beside their prompts."""
    losses = [served.loss(passage) for passage in passages]
    return float(np.exp(sum(nats for nats, _ in losses) / sum(count for _, count in losses)))
