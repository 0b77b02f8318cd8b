"""What the loop works on: an answer in the making, or a text to embed."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.runtime.llama.cache import Held
from services.runtime.llama.generation import Chosen, Finished, FinishReason, Piece
from services.runtime.llama.mailbox import Mailbox
from services.runtime.llama.marks import Seen
from services.runtime.llama.text import TextStream

Told = Piece | Finished | list[float]

#: Seconds from one piece of an answer to the next, unless tokens come more slowly. Twenty a second
#: look like a flow, and every piece costs each process on its way a message.
BETWEEN = 0.05


@dataclass(frozen=True, slots=True)
class Group:
    """What can be read in one step: under one adapter, for answers or for embeddings."""

    adapter: str = ""
    embeds: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an answer has to know of its tokens."""

    piece: Callable[[int], bytes]
    ends: frozenset[int]
    """Tokens that end an answer."""


class Chooser(Protocol):
    """Chooses tokens from logits; `Sampler` does."""

    def sample(self, decoder: Any, at: int) -> int | None:
        """What follows token `at` of the last batch; None where nothing may."""


class Work:
    """Tokens to be read, at a level. Once handed over it belongs to the loop's thread."""

    def __init__(
        self, tokens: Sequence[int], level: int, group: Group, mailbox: Mailbox[Told]
    ) -> None:
        self.tokens = list(tokens)
        self.level = level
        self.group = group
        self.mailbox = mailbox
        self.seen = Seen()
        self.held: Held | None = None
        self.number = 0
        """In order of arrival; the loop gives it."""
        self.cancelled = False
        """Set in any thread by whoever does not want it any more."""

    @property
    def pending(self) -> int:
        """Tokens that are not read yet."""
        return len(self.tokens) - (len(self.held.tokens) if self.held is not None else 0)

    def stretch(self, count: int, room: int) -> int:
        """How many tokens to read at once: about `count`, at most `room`; see `Seen`."""
        past = 0 if self.held is None else len(self.held.tokens)
        return self.seen.stretch(self.tokens, past, count, room)


class Embedding(Work):
    """A text whose vector is wanted: the mean of the model's last layer, of length 1."""

    def __init__(self, tokens: Sequence[int], level: int, mailbox: Mailbox[Told]) -> None:
        super().__init__(tokens, level, Group(embeds=True), mailbox)
        self._sum: NDArray[np.float32] | None = None

    def add(self, row: NDArray[np.float32]) -> None:
        """Takes the last layer at one token."""
        self._sum = row if self._sum is None else self._sum + row

    def restart(self) -> None:
        """Forgets what was added: the text is read again."""
        self._sum = None

    def vector(self) -> list[float]:
        """The mean's direction, once every token was added."""
        assert self._sum is not None
        length = float(np.linalg.norm(self._sum))
        result: list[float] = (self._sum / (length or 1.0)).tolist()
        return result


class Answer(Work):
    """A prompt and what follows it."""

    def __init__(
        self, tokens: Sequence[int], level: int, adapter: str, mailbox: Mailbox[Told],
        chooser: Chooser, vocabulary: Vocabulary, *, limit: int, stop: Sequence[str] = (),
        logprobs: int | None = None, choice: int = 0, seen: Seen | None = None,
    ) -> None:  # fmt: skip
        """`limit` is the most tokens to generate, at least 1; `seen` has a row for every mark."""
        super().__init__(tokens, level, Group(adapter), mailbox)
        self.seen = seen or self.seen
        self.chooser = chooser
        self.logprobs = logprobs
        self.cached: int | None = None
        """Tokens of the prompt that need not be read; None until that is known."""
        self.followers: list[Answer] = []
        """Further choices, which begin once the prompt has been read."""
        self.ended = False
        self.vocabulary = vocabulary
        self._limit = limit
        self._choice = choice
        self._prompt = len(tokens)
        self._text = TextStream(stop)
        self._untold = ""
        self._counted = len(tokens)
        self._told_at = -BETWEEN
        self._fed = self._said = 0
        self._unsaid: deque[tuple[int, int, Chosen]] = deque()

    def accept(self, token: int | None, chosen: Chosen | None, now: float) -> list[Told]:
        """Adds what was chosen, None being the end; gives what there is to tell `now`, in seconds
        of any clock.
        """
        if token is None or token in self.vocabulary.ends:
            return self._finish("stop")
        self.tokens.append(token)
        raw = self.vocabulary.piece(token)
        self._untold += self._text.feed(raw)
        if chosen is not None:
            self._unsaid.append((self._fed, self._fed + len(raw), chosen))
            self._fed += len(raw)
        if self._text.stopped:
            return self._finish("stop")
        if len(self.tokens) - self._prompt == self._limit:
            return self._finish("length")
        if not self._untold or now - self._told_at < BETWEEN:
            return []
        text, self._untold, self._told_at = self._untold, "", now
        return [self._piece(text, self._of(text))]

    def _finish(self, reason: FinishReason) -> list[Told]:
        self.ended = True
        text = self._untold + self._text.flush()
        chosen = self._of(text, ending=True)
        finished = Finished(
            reason, self._prompt, self.cached or 0, len(self.tokens) - self._prompt, self._choice
        )
        if text or chosen:
            return [self._piece(text, chosen), finished]
        return [finished]

    def _piece(self, text: str, chosen: tuple[Chosen, ...]) -> Piece:
        before, self._counted = self._counted, len(self.tokens)
        return Piece(text, self._choice, chosen, self._counted - before)

    def _of(self, text: str, *, ending: bool = False) -> tuple[Chosen, ...]:
        """The tokens that the text so far consists of; at the end, that it has anything of."""
        if not self._unsaid:
            return ()
        self._said += len(text.encode())
        said = []
        while self._unsaid:
            begin, end, chosen = self._unsaid[0]
            if end > self._said and not (ending and begin < self._said):
                break
            said.append(chosen)
            self._unsaid.popleft()
        return tuple(said)
