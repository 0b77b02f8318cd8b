"""GGUF models through llama.cpp, many sequences at once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp

from services.runtime import worker
from services.runtime.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelLoadFailed,
)
from services.runtime.footprint import allowed
from services.runtime.llama.batch import MOST_OUTPUTS, MOST_TOKENS
from services.runtime.llama.cache import Cache
from services.runtime.llama.decoder import MOST_SEQUENCES, Decoder
from services.runtime.llama.gallery import Gallery
from services.runtime.llama.generation import (
    Finished,
    Generation,
    LanguageModel,
    Message,
    Piece,
    Prompt,
    Tool,
)
from services.runtime.llama.loop import DecodeLoop
from services.runtime.llama.mailbox import Mailbox
from services.runtime.llama.marks import Seen
from services.runtime.llama.prompt import Prompter
from services.runtime.llama.sampler import Sampler, settled
from services.runtime.llama.sequence import Answer, Embedding, Told, Vocabulary
from services.runtime.llama.vision import Projector
from services.runtime.llama.weights import Weights, start_library
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.threads import per_slot

WEIGHTS, PROJECTOR = "model.gguf", "mmproj.gguf"
#: Contexts that all sequences have together, unless it is said otherwise; what has ended may keep
#: one more beside them.
CONTEXTS = 1.5
#: Sequences for each place: one at work, one that it made pause, and what two have left behind.
SEQUENCES_PER_PLACE = 4


class LlamaEngine:
    """Loads `model.gguf`, and `mmproj.gguf` of a model that sees.

    `device` is the container's setting, `places` how many answers are written together, `threads`
    are for all of them, 0 for every core; `cells` is the room for tokens of all sequences, 0 for
    one and a half contexts. Without `reuse` every prompt is read whole.
    """

    def __init__(
        self, *, device: str, threads: int, context_length: int, places: int, cells: int = 0,
        reuse: bool = True,
    ) -> None:  # fmt: skip
        start_library()
        self.kinds = allowed(device, cuda=llama_cpp.llama_supports_gpu_offload())
        self._threads = per_slot(threads, 1)
        self._context_length = context_length
        self._places = min(places, MOST_OUTPUTS)
        self._cells = cells
        self._reuse = reuse

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> LanguageModel:
        """Reads the model; its context is the shortest of its own, the manifest's and the
        container's. Raises `ModelLoadFailed`.
        """
        with ExitStack() as undo:
            weights = Weights(folder / WEIGHTS, placement)
            undo.callback(weights.close)
            weights.load_adapters(
                {name: folder / file for name, file in manifest.options.get("adapters", {}).items()}
            )
            limits = (self._context_length, manifest.context_length, weights.trained_context)
            context = min(limit for limit in limits if limit)
            sequences = min(self._places * SEQUENCES_PER_PLACE, MOST_SEQUENCES)
            projector = None
            if PROJECTOR in manifest.files:
                projector = Projector(
                    folder / PROJECTOR,
                    weights.model,
                    threads=self._threads,
                    # A model of which only a part is on the GPU left no room there.
                    gpu=placement.index if placement.gpu_layers == -1 else None,
                    most=MOST_TOKENS,
                )
                undo.callback(projector.close)
            try:
                decoder = Decoder(
                    weights,
                    cells=max(context, self._cells or int(CONTEXTS * context)),
                    sequences=sequences,
                    threads=self._threads,
                    on_gpu=placement.kind == CUDA,
                )
            except MemoryError as error:
                raise ModelLoadFailed(f"{error}: set a shorter context.") from error
            undo.callback(decoder.close)
            cache = Cache(
                decoder,
                sequences=sequences,
                cells=decoder.cells,
                reuse=self._reuse and not weights.recurrent,
                aside=0 if placement.kind == CUDA else context,
            )
            loop = DecodeLoop(decoder, cache, places=self._places)
            undo.callback(loop.close)
            model = LlamaModel(weights, decoder, loop, context, manifest.options, projector)
            undo.pop_all()
        return model


class LlamaModel:
    """A GGUF model with its one context."""

    def __init__(
        self, weights: Weights, decoder: Decoder, loop: DecodeLoop, context: int,
        options: Mapping[str, Any], projector: Projector | None,
    ) -> None:  # fmt: skip
        self._weights = weights
        self._decoder = decoder
        self._loop = loop
        self._context = context
        self._defaults = options.get("sampling", {})
        self._projector = projector
        self._gallery = Gallery(projector) if projector is not None else None
        self._prompter = Prompter(
            weights, context, template=options.get("chat_template", ""), gallery=self._gallery
        )
        self._vocabulary = Vocabulary(weights.piece, weights.ends)

    @property
    def context_length(self) -> int:
        """See `LanguageModel`."""
        return self._context

    @property
    def sees(self) -> bool:
        """See `LanguageModel`."""
        return self._projector is not None

    def conversation(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Prompt:
        """See `LanguageModel`."""
        return self._prompter.conversation(messages, tools)

    def text(self, text: str) -> Prompt:
        """See `LanguageModel`."""
        return self._prompter.text(text)

    @asynccontextmanager
    async def generate(
        self, generation: Generation, level: int
    ) -> AsyncIterator[AsyncIterator[Piece | Finished]]:
        """See `LanguageModel`."""
        limit = self._limit(generation)
        self._check(generation)
        seen = await self._seen(generation.prompt, level)
        mailbox: Mailbox[Told] = Mailbox()

        def made() -> list[Answer]:
            return self._answers(generation, level, limit, mailbox, seen)

        # A grammar can take a while to be read.
        answers = await worker.run(lambda _: made()) if generation.grammar else made()
        first, *first.followers = answers
        self._loop.submit([first])
        try:
            yield _told(mailbox, len(answers))
        finally:
            self._loop.cancel(answers)

    async def embed(self, prompts: Sequence[Prompt], level: int) -> list[list[float]]:
        """See `LanguageModel`."""
        for prompt in prompts:
            if prompt.images:
                raise InvalidRequest("Only text has a vector: leave the pictures out.")
            self._check_prompt(prompt, answer=0)
        # A box for each, since they need not end in their order.
        boxes: list[Mailbox[Told]] = [Mailbox() for _ in prompts]
        work = [
            Embedding(prompt.tokens, level, box) for prompt, box in zip(prompts, boxes, strict=True)
        ]
        self._loop.submit(work)
        try:
            return [vector for box in boxes if isinstance(vector := await box.get(), list)]
        finally:
            self._loop.cancel(work)

    def close(self) -> None:
        """Ends what is still being generated, and frees weights and context."""
        self._loop.close()
        if self._projector is not None:
            self._projector.close()
        self._decoder.close()
        self._weights.close()

    async def _seen(self, prompt: Prompt, level: int) -> Seen:
        """Looks at the pictures of a prompt, in threads of their own: streams go on meanwhile."""
        if self._projector is None or self._gallery is None or not prompt.images:
            return Seen()
        seen = Seen(await self._gallery.rows(prompt.images, level), self._projector.causal)
        if not seen.knows(prompt.tokens):
            raise self._unknown_token()
        return seen

    def _answers(
        self, generation: Generation, level: int, limit: int, mailbox: Mailbox[Told], seen: Seen
    ) -> list[Answer]:
        sampling = settled(generation.sampling, self._defaults)
        return [
            Answer(
                generation.prompt.tokens,
                level,
                generation.adapter,
                mailbox,
                Sampler(
                    self._weights,
                    sampling,
                    choice=choice,
                    grammar=generation.grammar,
                    trigger=generation.trigger,
                    most=limit,
                ),
                self._vocabulary,
                limit=limit,
                stop=generation.stop,
                logprobs=generation.logprobs,
                choice=choice,
                seen=seen,
            )
            for choice in range(generation.choices)
        ]

    def _limit(self, generation: Generation) -> int:
        """Tokens that may be generated."""
        prompt, wanted = len(generation.prompt.tokens), generation.max_tokens
        self._check_prompt(generation.prompt, answer=1)
        room = self._context - prompt
        if wanted is not None and wanted > room:
            raise ContextLengthExceeded(
                f"This model's context holds {self._context} tokens. The prompt takes {prompt} and "
                f"{wanted} were asked for: ask for {wanted - room} fewer, at most {room}.",
                param="max_tokens",
            )
        return room if wanted is None else wanted

    def _check_prompt(self, prompt: Prompt, *, answer: int) -> None:
        tokens = prompt.tokens
        if not tokens:
            raise InvalidRequest("The prompt is empty: send some text.", param="prompt")
        marked = bool(prompt.images) and self._projector is not None
        if (min(tokens) < 0 and not marked) or max(tokens) >= self._weights.size:
            raise self._unknown_token()
        if (excess := len(tokens) + answer - self._context) > 0:
            raise ContextLengthExceeded(
                f"This model's context holds {self._context} tokens. The prompt takes "
                f"{len(tokens)}{' and an answer at least 1' if answer else ''}: shorten it by "
                f"{excess} tokens.",
                param="prompt",
            )

    def _unknown_token(self) -> InvalidRequest:
        return InvalidRequest(
            f"The prompt has a token that this model does not know: they go from 0 to "
            f"{self._weights.size - 1}.",
            param="prompt",
        )

    def _check(self, generation: Generation) -> None:
        if generation.adapter and generation.adapter not in self._weights.adapters:
            known = ", ".join(sorted(self._weights.adapters)) or "none"
            raise InvalidRequest(
                f"This model has no adapter {generation.adapter!r}; it has: {known}.",
                param="adapter",
            )
        for token, _ in generation.sampling.logit_bias:
            if not 0 <= token < self._weights.size:
                raise InvalidRequest(
                    f"logit_bias names the token {token}; this model's go from 0 to "
                    f"{self._weights.size - 1}.",
                    param="logit_bias",
                )


async def _told(mailbox: Mailbox[Told], choices: int) -> AsyncIterator[Piece | Finished]:
    """What comes until every choice has ended."""
    while choices:
        told = await mailbox.get()
        if isinstance(told, Finished):
            choices -= 1
        if not isinstance(told, list):
            yield told
