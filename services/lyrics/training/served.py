"""What llama.cpp makes of a model and an adapter: what is exported is heard before it is given."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from services.lyrics.training.errors import TrainingError
from services.lyrics.training.passages import Passage


class Served:
    """A GGUF model in llama.cpp, with an adapter or without, that reads up to `length` tokens.

    Raises `TrainingError` for a file that llama.cpp cannot load.
    """

    def __init__(self, model: Path, adapter: Path | None, length: int) -> None:
        try:
            self._llama: Any = llama_cpp.Llama(
                str(model),
                n_ctx=length,
                n_batch=length,
                logits_all=True,
                lora_path=None if adapter is None else str(adapter),
                verbose=False,
            )
        except (ValueError, RuntimeError) as error:
            raise TrainingError(f"llama.cpp cannot load {model.name}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._llama.close()

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, none added."""
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=False))

    def logits(self, tokens: list[int]) -> NDArray[np.float32]:
        """What the model expects after each token, (tokens, vocabulary)."""
        self._llama.reset()
        self._llama.eval(tokens)
        return np.array(self._llama.scores[: len(tokens)], np.float32)

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
