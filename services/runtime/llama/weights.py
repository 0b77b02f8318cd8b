"""The weights and the vocabulary of a GGUF file, and the LoRA adapters that go with them."""

import ctypes
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp

from services.runtime.errors import ModelLoadFailed
from services.runtime.residency.placement import CUDA, Placement

log = logging.getLogger(__name__)

_WARNING, _ERROR = 3, 4


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def say(level: int, text: bytes, _data: object) -> None:
    """Where llama.cpp's libraries say what they do: of warnings and errors our log hears."""
    if level in (_WARNING, _ERROR):
        log.log(logging.DEBUG, text.decode("utf-8", "replace").strip())


def start_library() -> None:
    """Prepares llama.cpp and sends what it says to our log. May be called again."""
    llama_cpp.llama_log_set(say, ctypes.c_void_p(None))
    llama_cpp.llama_backend_init()


class Weights:
    """A model without a context. Everything here may be called in any thread."""

    def __init__(self, path: Path, placement: Placement) -> None:
        """Reads the file. Raises `ModelLoadFailed` naming it."""
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = placement.gpu_layers
        # One GPU: without this llama.cpp spreads a model over all that it sees.
        params.split_mode = llama_cpp.LLAMA_SPLIT_MODE_NONE
        params.main_gpu = placement.index if placement.kind == CUDA else 0
        self.model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise ModelLoadFailed(
                f"{path.name} of this model is no GGUF file that llama.cpp can read: it may be "
                "incomplete or of a newer format. Fetch it again."
            )
        self.vocabulary: Any = llama_cpp.llama_model_get_vocab(self.model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        self.width: int = llama_cpp.llama_model_n_embd_out(self.model)
        self.trained_context: int = llama_cpp.llama_model_n_ctx_train(self.model)
        self._adapters: dict[str, Any] = {}
        self._pieces = [self._piece(token, special=False) for token in range(self.size)]
        self.ends = frozenset(self._tokens_that(llama_cpp.llama_vocab_is_eog))
        """Tokens that end an answer."""
        self.controls = frozenset(self._tokens_that(llama_cpp.llama_vocab_is_control)) - self.ends
        """Other tokens that are no text."""
        self.longest_token = max(map(len, self._pieces))
        """Bytes."""

    @property
    def recurrent(self) -> bool:
        """Whether what was read cannot be taken back in part."""
        return bool(
            llama_cpp.llama_model_is_recurrent(self.model)
            or llama_cpp.llama_model_is_hybrid(self.model)
        )

    @property
    def chat_template(self) -> str:
        """Jinja; empty where the file has none."""
        raw = llama_cpp.llama_model_chat_template(self.model, None)
        return raw.decode("utf-8", "replace") if raw else ""

    @property
    def begin(self) -> str:
        """The text of the token that begins a prompt, for templates."""
        return self._special(llama_cpp.llama_vocab_bos(self.vocabulary))

    @property
    def end(self) -> str:
        """The text of the token that ends a turn, for templates."""
        return self._special(llama_cpp.llama_vocab_eos(self.vocabulary))

    def tokenize(self, text: str, *, special: bool, begin: bool = False) -> list[int]:
        """Tokens of a text. Only with `special` may it hold control tokens; with `begin` it starts
        as the model's prompts do.
        """
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 2
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(
            self.vocabulary, raw, len(raw), tokens, room, begin, special
        )
        if count < 0:
            raise RuntimeError("llama.cpp made more tokens than there are bytes")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """What a token adds to a text: often a part of a character, nothing for control tokens."""
        return self._pieces[token]

    def load_adapters(self, files: Mapping[str, Path]) -> None:
        """Reads LoRA adapters, by name. Raises `ModelLoadFailed` naming the one at fault."""
        for name, path in files.items():
            adapter = llama_cpp.llama_adapter_lora_init(self.model, str(path).encode())
            if not adapter:
                raise ModelLoadFailed(
                    f"{path.name}, the adapter {name!r} of this model, is no GGUF file of a LoRA "
                    "adapter for these weights."
                )
            self._adapters[name] = adapter

    @property
    def adapters(self) -> frozenset[str]:
        """The names of the adapters that were read."""
        return frozenset(self._adapters)

    def adapter(self, name: str) -> Any:
        """A `llama_adapter_lora_p`."""
        return self._adapters[name]

    def close(self) -> None:
        """Frees weights and adapters; every context must have gone."""
        self._adapters.clear()  # llama.cpp frees them with the model.
        llama_cpp.llama_model_free(self.model)
        self.model = None

    def _tokens_that(self, test: Any) -> Iterable[int]:
        return (token for token in range(self.size) if test(self.vocabulary, token))

    def _special(self, token: int) -> str:
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def _piece(self, token: int, *, special: bool) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = llama_cpp.llama_token_to_piece(
                self.vocabulary, token, buffer, room, 0, special
            )
            if length >= 0:
                return buffer.raw[:length]
            room = -length
