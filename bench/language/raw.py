"""The loop that no engine beats: every sequence in one `llama_decode`, greedy, and nothing else."""

import ctypes
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import llama_cpp

#: Tokens of prompts that are read in one `llama_decode`.
CHUNK = 512

_SILENT = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)


@dataclass(frozen=True)
class Run:
    """What was generated after each prompt.

    `seconds` are of all, `step` of one decoding step of all sequences, the median.
    """

    answers: list[str]
    seconds: float
    step: float


class RawLoop:
    """A model and a context of its own. One call at a time."""

    def __init__(self, weights: Path, *, threads: int, sequences: int, context: int) -> None:
        llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(None))
        options = llama_cpp.llama_model_default_params()
        options.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(str(weights).encode(), options)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = context
        settings.n_batch = CHUNK
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = threads
        settings.kv_unified = True
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(CHUNK, 0, 1)
        self._greedy = llama_cpp.llama_sampler_init_greedy()

    def run(self, prompts: Sequence[str], count: int) -> Run:
        """Generates `count` tokens after each prompt, all together."""
        texts = [self._tokens(prompt) for prompt in prompts]
        llama_cpp.llama_memory_clear(self._memory, False)
        began = time.perf_counter()
        answers = [[token] for token in self._read(texts)]
        moments = [time.perf_counter()]
        for step in range(count - 1):
            for at, answer in enumerate(answers):
                self._put(at, at, answer[-1], len(texts[at]) + step, wanted=True)
            self._decode(len(answers))
            for at, answer in enumerate(answers):
                answer.append(self._sample(at))
            moments.append(time.perf_counter())
        return Run(
            [self._text(answer) for answer in answers],
            moments[-1] - began,
            statistics.median(after - before for before, after in pairwise(moments)),
        )

    def close(self) -> None:
        """Frees everything."""
        llama_cpp.llama_sampler_free(self._greedy)
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def _tokens(self, text: str) -> list[int]:
        """Tokens of a text whose control tokens are meant."""
        raw = text.encode()
        buffer = (llama_cpp.llama_token * len(raw))()
        count = llama_cpp.llama_tokenize(
            self._vocabulary, raw, len(raw), buffer, len(raw), False, True
        )
        return list(buffer[:count])

    def _text(self, tokens: Sequence[int]) -> str:
        pieces = []
        for token in tokens:
            buffer = ctypes.create_string_buffer(64)
            size = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, 64, 0, True)
            pieces.append(buffer.raw[:size])
        return b"".join(pieces).decode("utf-8", "replace")

    def _read(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """Reads the prompts, as many of their tokens at once as fit; the first token of each."""
        places = [
            (at, position) for at, prompt in enumerate(prompts) for position in range(len(prompt))
        ]
        first: list[int] = []
        for begin in range(0, len(places), CHUNK):
            chunk = places[begin : begin + CHUNK]
            last = [position == len(prompts[at]) - 1 for at, position in chunk]
            for place, (at, position) in enumerate(chunk):
                self._put(place, at, prompts[at][position], position, wanted=last[place])
            self._decode(len(chunk))
            first += [self._sample(place) for place, wanted in enumerate(last) if wanted]
        return first

    def _put(self, at: int, sequence: int, token: int, position: int, *, wanted: bool) -> None:
        batch = self._batch
        batch.token[at] = token
        batch.pos[at] = position
        batch.n_seq_id[at] = 1
        batch.seq_id[at][0] = sequence
        batch.logits[at] = wanted

    def _decode(self, count: int) -> None:
        self._batch.n_tokens = count
        if status := llama_cpp.llama_decode(self._context, self._batch):
            raise RuntimeError(f"llama_decode: {status}")

    def _sample(self, at: int) -> int:
        token: int = llama_cpp.llama_sampler_sample(self._greedy, self._context, at)
        return token
