"""The writer, on a model that says what a test wants."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from services.lyrics.fake_engine import sung
from services.lyrics.genre import Genre
from services.lyrics.repetition import key, longest_run
from services.lyrics.song import Ended, Line, Wish
from services.lyrics.writer import ATTEMPTS, LINE_TOKENS, Writer
from services.runtime.errors import ContextLengthExceeded, Internal
from services.runtime.llama.fake_engine import LOGPROB, FakeLanguageModel
from services.runtime.llama.generation import Generation, Message, Prompt, Tool

GENRE = Genre(prompt="You write.")
WISH = Wish(("verse", "chorus", "verse", "chorus"), 2, "en")


class Recorder:
    """Answers with one line after the other, and keeps what it was asked."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines
        self._number = count()
        self.asked: list[Generation] = []

    def __call__(self, generation: Generation) -> str:
        self.asked.append(generation)
        return self._lines[next(self._number) % len(self._lines)]


async def written(
    answer: Callable[[Generation], str], wish: Wish = WISH, genre: Genre = GENRE, **more: Any
) -> tuple[list[Line], Ended]:
    model = FakeLanguageModel(more.pop("context", 4096), answer, adapters=("x",))
    writer = Writer(model, genre, wish, **{"seed": 1, "level": 1} | more)
    *lines, end = [piece async for piece in writer.song()]
    assert isinstance(end, Ended)
    return [line for line in lines if isinstance(line, Line)], end


async def test_every_section_has_its_lines_and_the_chorus_returns() -> None:
    lines, end = await written(sung)
    assert [(line.section, line.kind) for line in lines] == [
        (at, kind) for at, kind in enumerate(WISH.sections) for _ in range(2)
    ]
    texts = [line.text for line in lines]
    assert texts[2:4] == texts[6:8]
    assert len({*map(key, texts)}) == 6
    assert all(line.syllables >= 4 for line in lines)
    assert end.prompt_tokens > 0
    assert end.completion_tokens == 6 * GENRE.candidates * 5


async def test_the_same_seed_gives_the_same_song_and_another_another() -> None:
    first, again, other = [(await written(sung, seed=seed))[0] for seed in (5, 5, 6)]
    assert first == again
    assert first[0].text != other[0].text


async def test_the_first_line_is_kept_and_read_by_the_model() -> None:
    given = "  <script>alert('Ω')</script>  "
    answer = Recorder("a b c\n", "d e f\n", "g h i\n")
    wish = Wish(("verse",), 3, "en", first_line=given)
    lines, _ = await written(answer, wish)
    assert lines[0].text == given
    assert FakeLanguageModel(0).text(given).tokens[0] in answer.asked[0].prompt.tokens


async def test_a_line_that_was_there_is_written_anew_with_another_beginning() -> None:
    answer = Recorder("Same old line\n", "same old line.\n", "Something else now\n")
    lines, _ = await written(answer, Wish(("verse",), 2, "en"))
    assert [line.text for line in lines] == ["Same old line", "Something else now"]
    first, second, third = answer.asked
    assert first.grammar == second.grammar != third.grammar
    assert third.prompt == second.prompt
    assert (third.sampling.temperature or 0) >= (second.sampling.temperature or 0)
    assert len({first.sampling.seed, second.sampling.seed, third.sampling.seed}) == 3


async def test_greedy_sampling_is_warmed_up_to_get_out_of_a_loop() -> None:
    answer = Recorder("la la la la\n", "One way out\n")
    await written(answer, Wish(("verse",), 1, "en"), sampling={"temperature": 0.0})
    assert [asked.sampling.temperature for asked in answer.asked] == [0.0, 0.8]


async def test_a_model_that_only_repeats_itself_is_asked_a_bounded_number_of_times() -> None:
    answer = Recorder("Same old line\n")
    await written(answer, Wish(("verse",), 3, "en"))
    assert len(answer.asked) == 1 + 2 * ATTEMPTS


async def test_a_line_that_did_not_end_loses_the_word_that_it_broke_off_in() -> None:
    long = " ".join(f"w{number}" for number in range(60))
    lines, _ = await written(Recorder(long), Wish(("verse",), 1, "en"))
    assert lines[0].text.split()[-1] == f"w{LINE_TOKENS - 2}"


async def test_a_model_without_words_is_a_fault_of_ours() -> None:
    with pytest.raises(Internal):
        await written(Recorder("\n"))


async def test_a_song_that_may_not_fit_is_refused_before_it_begins() -> None:
    answer = Recorder("a b c\n")
    with pytest.raises(ContextLengthExceeded, match="at most 2 lines") as refused:
        await written(answer, context=150)
    assert refused.value.param == "lines"
    assert answer.asked == []


async def test_what_was_asked_for_reaches_the_model() -> None:
    answer = Recorder("a b c\n")
    lines, _ = await written(
        answer, Wish(("intro",), 1, "en"), adapter="x", with_logprobs=True, sampling={"top_k": 7}
    )
    (asked,) = answer.asked
    assert (asked.adapter, asked.sampling.top_k, asked.choices) == ("x", 7, GENRE.candidates)
    assert lines[0].logprobs == (LOGPROB,) * 3
    assert longest_run([line.text for line in lines]) == 1


async def test_who_leaves_does_so_when_the_model_is_no_longer_used() -> None:
    begun, go = threading.Event(), threading.Event()

    class Slow(FakeLanguageModel):
        def conversation(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Prompt:
            begun.set()
            assert go.wait(10)
            return super().conversation(messages, tools)

    song = Writer(Slow(4096, sung), GENRE, WISH, seed=1, level=1).song()
    task = asyncio.ensure_future(anext(song))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()  # Else the model could be unloaded while it is used.
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
