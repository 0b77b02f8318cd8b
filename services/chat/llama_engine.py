"""GGUF models through llama-cpp-python."""

import ctypes
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_cpp.llama_grammar import JSON_GBNF, LlamaGrammar

from services.chat.engine import ChatModel, ChatRequest, Completed, FinishReason, Sampling
from services.runtime.errors import ContextLengthExceeded, InvalidRequest
from services.runtime.footprint import allowed
from services.runtime.llama.text import TextStream
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation

WEIGHTS = "model.gguf"

#: OpenAI's names for the sampling fields -> llama.cpp's, where they differ.
_LLAMA_NAMES = {"temperature": "temp"}


class LlamaEngine:
    """Loads `model.gguf`. `device` is the container's setting; `threads` are per generation."""

    def __init__(self, *, device: str, threads: int, context_length: int) -> None:
        self.kinds = allowed(device, cuda=llama_cpp.llama_supports_gpu_offload())
        self._threads = threads
        self._context_length = context_length

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> ChatModel:
        """Reads the model; its context is the shorter of its own and the container's."""
        on_gpu = placement.kind == CUDA
        limits = [n for n in (self._context_length, manifest.context_length) if n]
        llama = llama_cpp.Llama(
            str(folder / WEIGHTS),
            n_ctx=min(limits, default=0),
            n_threads=self._threads,
            n_threads_batch=self._threads,
            n_gpu_layers=placement.gpu_layers,
            # One GPU: without this llama.cpp spreads a model over all that it sees.
            split_mode=llama_cpp.LLAMA_SPLIT_MODE_NONE,
            main_gpu=placement.index,
            # Else a long prompt takes room on a GPU that was not granted.
            offload_kqv=on_gpu,
            op_offload=on_gpu,
            verbose=False,
        )
        return LlamaModel(llama, manifest.options.get("sampling", {}))


class LlamaModel:
    """A GGUF model and its one context."""

    def __init__(self, llama: Any, defaults: dict[str, Any]) -> None:
        self._llama = llama
        self._defaults = defaults
        self._format = Jinja2ChatFormatter(
            template=llama.metadata["tokenizer.chat_template"],
            eos_token=self._special(llama.token_eos()),
            bos_token=self._special(llama.token_bos()),
        )
        self._longest_token = max(
            len(llama.detokenize([token], special=True)) for token in range(llama.n_vocab())
        )
        self._cancelled = Cancellation()
        # Kept on self: llama.cpp calls it for as long as the context lives. It lets a caller who
        # leaves stop a long prompt in the middle of being read.
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._cancelled.is_set)
        llama_cpp.llama_set_abort_callback(llama.ctx, self._abort, ctypes.c_void_p(None))

    def generate(self, request: ChatRequest, cancelled: Cancellation) -> Iterator[str | Completed]:
        """See `ChatModel`. The text comes token by token."""
        prompt = self._prompt(request)
        limit = self._limit(len(prompt), request.max_tokens)
        text = TextStream(request.stop)
        count = 0
        reason: FinishReason = "length"
        for token in self._tokens(prompt, request, cancelled):
            if llama_cpp.llama_vocab_is_eog(self._llama._model.vocab, token):
                reason = "stop"
                break
            count += 1
            if piece := text.feed(self._llama.detokenize([token], special=False)):
                yield piece
            if text.stopped:
                reason = "stop"
            if text.stopped or count == limit:
                break
        if cancelled.is_set:
            return
        if rest := text.flush():
            yield rest
        yield Completed(reason, len(prompt), count)

    def close(self) -> None:
        """Frees weights and context."""
        self._llama.close()

    def _special(self, token: int) -> str:
        raw: bytes = self._llama.detokenize([token], special=True) if token >= 0 else b""
        return raw.decode("utf-8", "replace")

    def _prompt(self, request: ChatRequest) -> list[int]:
        """The conversation as tokens. Raises `ContextLengthExceeded`, `InvalidRequest`.

        Only the template's own text may hold control tokens: what people write is tokenised apart,
        so that no message can end its own turn and speak in another role.
        """
        context: int = self._llama.n_ctx()
        size = sum(len(message.text.encode()) for message in request.messages)
        if size > context * self._longest_token:
            # Refused unread: to count the tokens of megabytes would keep others waiting.
            raise ContextLengthExceeded(
                f"This model's context holds {context} tokens, and {size:,} bytes of messages are "
                f"certainly more: shorten them to well below {context * self._longest_token:,}.",
                param="messages",
            )
        mark = f"\ue000{secrets.token_hex(8)}-"
        messages: list[Any] = [
            {"role": message.role, "content": f"{mark}{at}\ue001"}
            for at, message in enumerate(request.messages)
        ]
        try:
            prompt = self._format(messages=messages).prompt
        except Exception as error:  # Whatever the template raises is about the messages' order.
            raise InvalidRequest(
                "The model's chat template refuses this order of roles; alternate user and "
                "assistant, and begin with system or user.",
                param="messages",
            ) from error
        first, *rest = prompt.split(mark)
        tokens = self._tokenize(first, special=True)
        for piece in rest:
            at, _, after = piece.partition("\ue001")
            tokens += self._tokenize(request.messages[int(at)].text, special=False)
            tokens += self._tokenize(after, special=True)
        return tokens

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = self._llama.tokenize(text.encode(), add_bos=False, special=special)
        return tokens

    def _limit(self, prompt: int, wanted: int | None) -> int:
        """Tokens that may be generated. Raises `ContextLengthExceeded`."""
        context: int = self._llama.n_ctx()
        room = context - prompt
        if room < 1:
            raise ContextLengthExceeded(
                f"This model's context holds {context} tokens. The messages take {prompt} and an "
                f"answer at least 1: shorten them by {1 - room} tokens.",
                param="messages",
            )
        if wanted is not None and wanted > room:
            raise ContextLengthExceeded(
                f"This model's context holds {context} tokens. The messages take {prompt} and "
                f"{wanted} were asked for: ask for {wanted - room} fewer, at most {room}.",
                param="max_tokens",
            )
        return wanted or room

    def _tokens(
        self, prompt: list[int], request: ChatRequest, cancelled: Cancellation
    ) -> Iterator[int]:
        self._cancelled = cancelled
        sampling = self._sampling(request.sampling)
        if (seed := request.sampling.seed) is not None:
            self._llama.set_seed(seed & 0xFFFFFFFF)
        else:
            self._llama.set_seed(llama_cpp.LLAMA_DEFAULT_SEED)
        if request.json_object:
            sampling["grammar"] = LlamaGrammar.from_string(JSON_GBNF, verbose=False)
        try:
            for token in self._llama.generate(prompt, **sampling):
                if cancelled.is_set:
                    return
                yield token
        except RuntimeError:
            # An aborted decode leaves the cache in an unknown state, so none of it is reused.
            self._llama.reset()
            self._llama._ctx.kv_cache_clear()
            if not cancelled.is_set:
                raise

    def _sampling(self, asked: Sampling) -> dict[str, Any]:
        fields = ("temperature", "top_p", "top_k", "min_p", "presence_penalty",
                  "frequency_penalty", "repeat_penalty")  # fmt: skip
        chosen = self._defaults | {
            name: value for name in fields if (value := getattr(asked, name)) is not None
        }
        return {_LLAMA_NAMES.get(name, name): value for name, value in chosen.items()}
