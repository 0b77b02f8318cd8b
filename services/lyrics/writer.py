"""Writes a song line by line: some lines side by side, of which the best is kept.

Each line is a generation of its own behind all that is written, which the engine has in its cache;
so a line that was there before is written anew, and the next one knows nothing of it. A grammar
bounds every line, and from the second attempt on forbids the first letters of what it repeated.
"""

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from services.lyrics import grammar, overuse, prompt
from services.lyrics.choice import Place, best, is_new
from services.lyrics.genre import Genre
from services.lyrics.song import Ended, Line, Wish, returning
from services.runtime import worker
from services.runtime.errors import ContextLengthExceeded, Internal
from services.runtime.llama.generation import Finished, Generation, LanguageModel, Piece, Prompt
from services.runtime.syllables import syllables

#: Most tokens of a line; the grammar ends nearly all of them before.
LINE_TOKENS = 40
#: A line that was there before is written anew so often.
ATTEMPTS = 4
#: Temperature is at least this at the second attempt, and so much more at each further one: what
#: is likeliest would come again.
_WARMER, _STEP = 0.8, 0.2


@dataclass(slots=True)
class Draft:
    """A line as it was written."""

    text: str = ""
    whole: bool = False
    logprobs: list[float] = field(default_factory=list)

    def cut(self) -> str:
        """The line; one that was not ended, without the word that it broke off in."""
        text = self.text if self.whole else self.text.rpartition(" ")[0] or self.text
        return text.strip().rstrip(",")


class Writer:
    """One song. `sampling` is what was asked for in place of the genre's own."""

    def __init__(
        self,
        model: LanguageModel,
        genre: Genre,
        wish: Wish,
        *,
        seed: int,
        level: int,
        adapter: str = "",
        sampling: dict[str, Any] | None = None,
        with_logprobs: bool = False,
    ) -> None:
        self._model = model
        self._genre = genre
        self._wish = wish
        self._seed = seed
        self._level = level
        self._adapter = adapter
        self._sampling = sampling or {}
        self._logprobs = 0 if with_logprobs else None
        self._written: list[Line] = []
        self._read = self._generated = 0

    async def song(self) -> AsyncGenerator[Line | Ended, None]:
        """Yields the lines as they are written, and `Ended` last.

        Raises `ContextLengthExceeded` before the first line if the last might not fit.
        """
        start = await worker.run(lambda _: prompt.opening(self._model, self._genre, self._wish))
        again = returning(self._wish.sections)
        self._check_room(len(start.tokens), len(self._wish.sections) - len(again))
        for section, kind in enumerate(self._wish.sections):
            if section in again:
                for line in [line for line in self._written if line.section == again[section]]:
                    yield Line(section, kind, line.text, line.syllables)
                continue
            for at in range(self._wish.lines):
                line = await self._line(start, section, at)
                self._written.append(line)
                yield line
        yield Ended(self._read, self._generated)

    def _check_room(self, opening: int, sections: int) -> None:
        lines = sections * self._wish.lines
        # What the user wrote stands in the song as well, and each section has a heading.
        given = len(self._model.text(f"{self._wish.title} {self._wish.first_line}").tokens)
        room = self._model.context_length - opening - given - 8 * sections
        if lines * LINE_TOKENS > room:
            raise ContextLengthExceeded(
                f"A song of {lines} different lines may not fit this model's context: ask for at "
                f"most {max(0, room) // LINE_TOKENS} lines that are written once, by fewer "
                "sections or fewer lines each.",
                param="lines",
            )

    async def _line(self, start: Prompt, section: int, at: int) -> Line:
        wish, kind = self._wish, self._wish.sections[section]
        if wish.first_line and not self._written:
            return Line(section, kind, wish.first_line, syllables(wish.first_line, wish.language))
        song = prompt.sheet(wish.sections, self._written, wish.title, section)
        before = [line.text for line in self._written]
        asked, worn = await worker.run(
            lambda _: (
                prompt.continued(self._model, start, song),
                overuse.bias(self._model, before),
            )
        )
        place = Place(self._genre, wish.language, self._written, section, at)
        chosen: Draft | None = None
        initials: set[str] = set()
        for attempt in range(ATTEMPTS):
            written = await self._drafts(asked, worn, attempt, initials)
            drafts = [draft for draft in written if draft.cut()]
            new = [draft for draft in drafts if is_new(draft.cut(), place)]
            if new or drafts:
                chosen = best(new or drafts, place, Draft.cut)
            if new:
                break
            # The line before is excluded too, so that whatever comes differs from it.
            lines = [draft.cut() for draft in drafts] + [line.text for line in self._written[-1:]]
            initials |= {line[0] for line in lines}
        if chosen is None:
            raise Internal("The model wrote no line.")
        text = chosen.cut()
        return Line(section, kind, text, syllables(text, wish.language), tuple(chosen.logprobs))

    async def _drafts(
        self,
        asked: Prompt,
        worn: tuple[tuple[int, float], ...],
        attempt: int,
        initials: set[str],
    ) -> list[Draft]:
        """Lines written side by side; the words `worn` are less likely."""
        told = self._sampling
        if attempt:
            temperature = told.get("temperature", self._genre.sampling.temperature)
            warmer = max(temperature, _WARMER) + _STEP * (attempt - 1)
            told = told | {"temperature": min(2.0, warmer)}
        # Of the song's seed, so that no line depends on how another was come by.
        seed = random.Random(f"{self._seed}/{len(self._written)}/{attempt}").getrandbits(31)
        generation = Generation(
            asked,
            sampling=self._genre.sampling.sampling(seed, logit_bias=worn, **told),
            max_tokens=LINE_TOKENS,
            stop=("\n",),
            grammar=grammar.line(self._wish.language, initials),
            logprobs=self._logprobs,
            adapter=self._adapter,
            choices=self._genre.candidates,
        )
        drafts = [Draft() for _ in range(generation.choices)]
        async with self._model.generate(generation, self._level) as pieces:
            async for piece in pieces:
                self._take(drafts[piece.choice], piece)
        return drafts

    def _take(self, draft: Draft, piece: Piece | Finished) -> None:
        if isinstance(piece, Piece):
            draft.text += piece.text
            draft.logprobs += [token.logprob for token in piece.chosen]
            return
        draft.whole = piece.reason == "stop"
        if piece.choice == 0:  # The choices have read the prompt together.
            self._read += piece.prompt_tokens - piece.cached_tokens
        self._generated += piece.completion_tokens
