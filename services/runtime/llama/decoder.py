"""A context of llama.cpp: reads tokens of many sequences at once and says what may follow each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_cpp import llama_cpp
from numpy.typing import NDArray

from services.runtime.llama.batch import MOST_OUTPUTS, MOST_TOKENS, DecodeFailed, Share
from services.runtime.llama.marks import Rows
from services.runtime.llama.shelf import Saved
from services.runtime.llama.weights import Weights

#: llama.cpp can tell twice as many apart, but each costs a row of logits.
MOST_SEQUENCES = 128

#: How keys are kept on the CPU; the second is for models whose heads no block of 32 fits. Only
#: where values, in 16 bits, are of another type does llama.cpp add up one token's cells one by one:
#: else it has three ways, by how many tokens are read together, and each rounds in its own.
KEYS = (llama_cpp.GGML_TYPE_Q8_0, llama_cpp.GGML_TYPE_F16)

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Decoder:
    """Belongs to one thread."""

    def __init__(
        self, weights: Weights, *, cells: int, sequences: int, threads: int, on_gpu: bool
    ) -> None:
        """A context of `cells` tokens for all sequences together and the cache's litter.

        Raises `MemoryError`.
        """
        sequences += 1
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = MOST_TOKENS
        # llama.cpp ends the process where it has fewer of these than sequences.
        params.n_outputs_max = max(MOST_OUTPUTS, sequences)
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        # Flash attention skips the cells of other sequences, which otherwise cost as much as one's
        # own. On a GPU llama.cpp looks whether there is a kernel for the model.
        flash = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO if on_gpu else flash
        # Else a sequence could not be cut back to what it has in common with the next.
        params.swa_full = True
        # Else a long prompt takes room on a GPU that was not granted.
        params.offload_kqv = params.op_offload = on_gpu
        params.no_perf = True
        self._context: Any = None
        for keys in (llama_cpp.GGML_TYPE_F16,) if on_gpu else KEYS:
            params.type_k = keys
            self._context = self._context or llama_cpp.llama_init_from_model(weights.model, params)
        if not self._context:
            raise MemoryError(f"llama.cpp has no room for a context of {cells} tokens")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(MOST_TOKENS, 0, 1)
        for at in range(MOST_TOKENS):
            self._batch.n_seq_id[at] = 1
        self.cells: int = llama_cpp.llama_n_ctx(self._context)
        """What was asked for, or a little more."""
        self._weights = weights
        self._window: int = llama_cpp.llama_model_n_swa(weights.model)
        self._adapter = ""
        self._identity = np.arange(weights.size, dtype=np.int32)
        self._candidates = np.zeros(weights.size, _CANDIDATE)

    @property
    def context(self) -> Any:
        """A `llama_context_p`."""
        return self._context

    def read(self, shares: Sequence[Share], adapter: str = "", *, embed: bool = False) -> None:
        """See `batch.Reader`."""
        self._use(adapter)
        llama_cpp.llama_set_embeddings(self._context, embed)
        for share in shares:
            if share.encoding is not None:  # First, since the next batch takes the outputs' place.
                self._look(share, share.encoding)
        batch = self._batch
        token, position, sequence, output = batch.token, batch.pos, batch.seq_id, batch.logits
        at = 0
        for share in shares:
            if share.encoding is not None:
                continue
            first_output = share.past + len(share.tokens) - share.outputs
            for place, read in enumerate(share.tokens, share.past):
                token[at] = read
                position[at] = place
                sequence[at][0] = share.sequence
                output[at] = place >= first_output
                at += 1
        if at:
            batch.n_tokens = at
            self._decode(batch)
        llama_cpp.llama_synchronize(self._context)

    def logits(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`."""
        row = llama_cpp.llama_get_logits_ith(self._context, at)
        return np.ctypeslib.as_array(row, (self._weights.size,))

    def embedding(self, at: int) -> NDArray[np.float32]:
        """See `batch.Reader`."""
        row = llama_cpp.llama_get_embeddings_ith(self._context, at)
        return np.ctypeslib.as_array(row, (self._weights.width,)).copy()

    def candidates(self, at: int) -> Any:
        """All tokens with their logits, as samplers take them; until the next call."""
        table = self._candidates
        table["id"] = self._identity
        table["logit"] = self.logits(at)
        data = table.ctypes.data_as(llama_cpp.llama_token_data_p)
        return llama_cpp.llama_token_data_array(data, self._weights.size, -1, False)

    def copy(self, source: int, target: int, start: int, stop: int) -> None:
        """See `cache.Memory`."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, start, stop)

    def trim(self, sequence: int, length: int) -> None:
        """See `cache.Memory`."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def keeps(self, sequence: int, length: int) -> bool:
        """See `cache.Memory`."""
        first: int = llama_cpp.llama_memory_seq_pos_min(self._memory, sequence)
        return first <= max(0, length - self._window)

    def save(self, sequence: int) -> Saved:
        """See `cache.Memory`. Raises `DecodeFailed`."""
        saved = np.empty(llama_cpp.llama_state_seq_get_size(self._context, sequence), np.uint8)
        if not llama_cpp.llama_state_seq_get_data(
            self._context, _bytes(saved), saved.size, sequence
        ):
            raise DecodeFailed("the state of a sequence could not be read")
        return saved

    def restore(self, sequence: int, saved: Saved) -> None:
        """See `cache.Memory`. Raises `DecodeFailed`."""
        if not llama_cpp.llama_state_seq_set_data(
            self._context, _bytes(saved), saved.size, sequence
        ):
            raise DecodeFailed("the state of a sequence could not be put back")

    def clear(self) -> None:
        """See `cache.Memory`."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Frees the context; the weights stay."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        self._context = None

    def _look(self, share: Share, encoding: Rows) -> None:
        """Reads what was encoded of a picture, in a batch of its own."""
        batch = self._batch
        for at in range(len(encoding)):
            batch.pos[at] = share.past + at
            batch.seq_id[at][0] = share.sequence
            batch.logits[at] = False
        rows = llama_cpp.llama_batch(
            n_tokens=len(encoding),
            embd=encoding.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            pos=batch.pos,
            n_seq_id=batch.n_seq_id,
            seq_id=batch.seq_id,
            logits=batch.logits,
        )
        llama_cpp.llama_set_causal_attn(self._context, share.causal)
        try:
            self._decode(rows)
        finally:
            llama_cpp.llama_set_causal_attn(self._context, True)

    def _decode(self, batch: Any) -> None:
        if code := llama_cpp.llama_decode(self._context, batch):
            raise DecodeFailed(f"llama_decode returned {code}")

    def _use(self, adapter: str) -> None:
        if adapter == self._adapter:
            return
        wanted = [self._weights.adapter(adapter)] if adapter else []
        pointers = (llama_cpp.llama_adapter_lora_p_ctypes * len(wanted))(*wanted)
        scales = (ctypes.c_float * len(wanted))(*(1.0 for _ in wanted))
        if llama_cpp.llama_set_adapters_lora(self._context, pointers, len(wanted), scales):
            raise DecodeFailed(f"the adapter {adapter!r} could not be put on or taken off")
        self._adapter = adapter


def _bytes(saved: Saved) -> Any:
    return saved.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
