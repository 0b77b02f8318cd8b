"""What is asked of a language model and what it answers; engines and capabilities meet here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from services.runtime.host import LoadedModel

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside a message: the bytes of a PNG, JPEG or WebP file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function that the model asks for. `arguments` is JSON text, as generated."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `content` is in order."""

    role: Role
    content: tuple[str | Image, ...] = ()
    name: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """What is said, without its pictures."""
        return "".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask for. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads first. Made by a model and good for that model only."""

    tokens: tuple[int, ...]
    images: tuple[Image, ...] = ()
    """In the order of their places in `tokens`, which the engine marks in its own way."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. None leaves a choice to the model's own defaults."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    """Token ids and what is added to their logits, -100 to 100."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What to generate after a prompt.

    `max_tokens` None means what the context leaves. `grammar` is GBNF with the rule `root`. With
    `trigger` the grammar holds only from where the text first contains that string.
    """

    prompt: Prompt
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str = ""
    trigger: str = ""
    logprobs: int | None = None
    """How many likely alternatives to tell of each token, 0 to 20; None tells nothing."""
    adapter: str = ""
    """A LoRA adapter that the model's `model.yaml` names."""
    choices: int = 1
    """How many answers; the prompt is read once."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A token of the answer with its log-probability, and the likeliest at its place."""

    token: bytes
    logprob: float
    likeliest: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to append to an answer: whole characters only, and nothing of a stop string.

    `chosen` are the tokens that it consists of, where they were asked for; `tokens` is how many
    were generated since the piece before.
    """

    text: str
    choice: int = 0
    chosen: tuple[Chosen, ...] = ()
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer. `cached_tokens` of the prompt were not read again."""

    reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    choice: int = 0


class LanguageModel(LoadedModel, Protocol):
    """A model in memory. Serves many generations at once."""

    @property
    def context_length(self) -> int:
        """Tokens that a prompt and its answer may have together."""

    @property
    def sees(self) -> bool:
        """Whether messages may hold pictures."""

    def conversation(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Prompt:
        """A conversation in the model's own chat template, up to where it answers. Blocking.

        Nothing that people write can end its own turn or speak in another role. Raises
        `ContextLengthExceeded`, `InvalidRequest`.
        """

    def text(self, text: str) -> Prompt:
        """Plain text to continue. Blocking. Raises `ContextLengthExceeded`."""

    def generate(
        self, generation: Generation, level: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Piece | Finished]]:
        """Yields pieces as they come, and `Finished` last for each choice.

        Work of a lower `level` (0, 1, 2) goes first at every step. Leaving the block frees its
        place before the next step. Raises, on entering, `ContextLengthExceeded` where the prompt
        and `max_tokens` do not fit, and `InvalidRequest` for a grammar, an adapter or a logit bias
        that cannot be used.
        """

    async def embed(self, prompts: Sequence[Prompt], level: int) -> list[list[float]]:
        """A vector of length 1 for each prompt."""
