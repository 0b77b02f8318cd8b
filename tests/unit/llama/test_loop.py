"""The loop with a context that can be foretold: whatever else goes on, an answer is the same."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.errors import Internal, ServiceUnavailable
from services.runtime.llama.cache import Cache
from services.runtime.llama.generation import Finished, Piece
from services.runtime.llama.loop import DecodeLoop
from services.runtime.llama.mailbox import Mailbox
from services.runtime.llama.sequence import Answer, Embedding, Told, Vocabulary
from tests.unit.llama.reading import END, FakeReader, Likeliest, after

CONTEXT = 64
VOCABULARY = Vocabulary(lambda token: f"{token} ".encode(), frozenset({END}))


@dataclass
class Asked:
    tokens: list[int]
    level: int = 1
    limit: int = 20
    adapter: str = ""
    choices: int = 1


@dataclass
class Setting:
    cells: int = 1000
    places: int = 4
    sequences: int = 16
    reuse: bool = True
    aside: int = 0
    waste: int = 768
    reader: FakeReader = field(init=False)
    cache: Cache = field(init=False)

    @contextmanager
    def loop(self) -> Iterator[DecodeLoop]:
        self.reader = FakeReader(self.cells, orderly=self.aside > 0)
        self.cache = Cache(
            self.reader,
            sequences=self.sequences,
            cells=self.cells,
            reuse=self.reuse,
            aside=self.aside,
        )
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("services.runtime.llama.loop.WASTE", self.waste)
            loop = DecodeLoop(self.reader, self.cache, places=self.places)
            yield loop
            loop.close()


def expected(asked: Asked) -> tuple[str, str]:
    tokens = list(asked.tokens)
    text = ""
    for _ in range(asked.limit):
        token = after(tokens, asked.adapter)
        if token == END:
            return text, "stop"
        tokens.append(token)
        text += f"{token} "
    return text, "length"


def answers(asked: Asked, mailbox: Mailbox[Told]) -> list[Answer]:
    first, *rest = [
        Answer(
            asked.tokens, asked.level, asked.adapter, mailbox, Likeliest(), VOCABULARY,
            limit=asked.limit, choice=choice,
        )
        for choice in range(asked.choices)
    ]  # fmt: skip
    first.followers = list(rest)
    return [first, *rest]


async def heard(mailbox: Mailbox[Told], choices: int = 1) -> list[tuple[str, Finished]]:
    texts = [""] * choices
    ends: dict[int, Finished] = {}
    while len(ends) < choices:
        told = await mailbox.get()
        if isinstance(told, Piece):
            texts[told.choice] += told.text
        elif isinstance(told, Finished):
            ends[told.choice] = told
    return [(texts[choice], ends[choice]) for choice in range(choices)]


async def ask(loop: DecodeLoop, asked: Asked) -> list[tuple[str, Finished]]:
    mailbox: Mailbox[Told] = Mailbox()
    loop.submit(answers(asked, mailbox)[:1])
    return await heard(mailbox, asked.choices)


_asked = st.builds(
    Asked,
    st.lists(st.integers(1, 3), min_size=1, max_size=30),
    st.integers(0, 2),
    st.integers(1, 30),
    st.sampled_from(["", "", "rock"]),
    st.sampled_from([1, 1, 3]),
)
_setting = st.builds(
    Setting,
    st.integers(CONTEXT, 300),
    st.integers(1, 4),
    st.integers(4, 9),
    st.booleans(),
    st.sampled_from([0, 20, 200]),
    st.sampled_from([0, 10, 1000]),
)


@settings(max_examples=150, deadline=None)
@given(_setting, st.lists(_asked, min_size=1, max_size=12))
def test_an_answer_does_not_depend_on_what_else_goes_on(
    setting: Setting, requests: list[Asked]
) -> None:
    async def together() -> list[list[tuple[str, Finished]]]:
        return await asyncio.gather(*(ask(loop, asked) for asked in requests))

    with setting.loop() as loop:
        found = asyncio.run(together())
        assert setting.cache.free == setting.cells - setting.reader.used
    for asked, choices in zip(requests, found, strict=True):
        for text, end in choices:
            assert (text, end.reason) == expected(asked)
            assert end.prompt_tokens == len(asked.tokens)
            assert 0 <= end.cached_tokens < len(asked.tokens)
            assert end.completion_tokens == len(text.split())


async def test_less_urgent_work_is_sent_away_and_ends_as_if_it_had_not_been() -> None:
    setting = Setting(cells=CONTEXT, places=4, sequences=4, reuse=False)
    patient = Asked([1, 2, 3, 4, 5], level=2, limit=50)
    urgent = [Asked([7, number] * 20, level=0, limit=5) for number in range(3)]
    with setting.loop() as loop:
        mailbox: Mailbox[Told] = Mailbox()
        loop.submit(answers(patient, mailbox))
        first = await mailbox.get()
        ends = await asyncio.gather(*(ask(loop, asked) for asked in urgent))
        rest = await heard(mailbox)
    assert isinstance(first, Piece)
    assert (first.text + rest[0][0], rest[0][1].reason) == expected(patient)
    assert [end[0][0] for end in ends] == [expected(asked)[0] for asked in urgent]


async def test_choices_read_the_prompt_once() -> None:
    setting = Setting()
    asked = Asked([5] * 40, limit=3, choices=4)
    with setting.loop() as loop:
        found = await ask(loop, asked)
    assert len(found) == 4
    # The last token of the prompt is read for each choice, and no more than that.
    assert setting.reader.tokens_read <= 40 + 3 + 4 * 3


async def test_a_cancelled_answer_leaves_its_place_and_is_told_nothing_more() -> None:
    setting = Setting(places=1, cells=10**7)
    with setting.loop() as loop:
        mailbox: Mailbox[Told] = Mailbox()
        endless = answers(Asked([1, 1], limit=10**6), mailbox)
        endless[0].vocabulary = Vocabulary(VOCABULARY.piece, frozenset())
        loop.submit(endless)
        await mailbox.get()
        loop.cancel(endless)
        asked = Asked([2, 2])
        assert (await ask(loop, asked))[0][0] == expected(asked)[0]
    last = Finished("stop", 0, 0, 0)
    mailbox.put(last)
    while isinstance(told := await mailbox.get(), Piece):
        pass
    assert told is last


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_asked, st.integers(0, 6)), min_size=1, max_size=10), st.integers(1, 3))
def test_whenever_answers_are_cancelled_nothing_is_held_for_them(
    requests: list[tuple[Asked, int]], places: int
) -> None:
    setting = Setting(cells=80, places=places, sequences=2 * places, reuse=False)
    probe = Asked([4, 2, 4, 2], level=2)

    async def leave(loop: DecodeLoop, asked: Asked, after: int) -> None:
        mailbox: Mailbox[Told] = Mailbox()
        work = answers(asked, mailbox)
        loop.submit(work[:1])
        ended = 0
        for _ in range(after):  # None: before the first step.
            ended += isinstance(await mailbox.get(), Finished)
            if ended == asked.choices:
                break
        loop.cancel(work)

    async def all_leave(loop: DecodeLoop) -> str:
        await asyncio.gather(*(leave(loop, *request) for request in requests))
        return (await ask(loop, probe))[0][0]

    with setting.loop() as loop:
        assert asyncio.run(all_leave(loop)) == expected(probe)[0]
        assert setting.cache.free == setting.cells
        assert setting.reader.used == 0


async def test_a_failed_step_fails_whom_it_was_for_and_nobody_after() -> None:
    setting = Setting()
    asked = Asked([1, 2, 3])
    with setting.loop() as loop:
        setting.reader.broken = True
        with pytest.raises(Internal):
            await ask(loop, asked)
        assert (await ask(loop, asked))[0][0] == expected(asked)[0]
        assert (await ask(loop, asked))[0][1].cached_tokens == 2


async def test_what_cannot_be_put_back_fails_whom_it_was_for_alone() -> None:
    setting = Setting(cells=10**7, aside=200)
    again, other = Asked([1, 2, 3]), Asked([4] * 30, limit=10**6)
    with setting.loop() as loop:
        first = await ask(loop, again)
        setting.cache.reclaim()
        mailbox: Mailbox[Told] = Mailbox()
        [running] = answers(other, mailbox)
        running.vocabulary = Vocabulary(VOCABULARY.piece, frozenset())
        loop.submit([running])
        await mailbox.get()
        setting.reader.forgetful = True
        with pytest.raises(Internal):
            await ask(loop, again)
        assert not running.ended
        assert (await ask(loop, again))[0][0] == first[0][0]
        loop.cancel([running])


async def test_a_chooser_that_fails_fails_its_own_answer_alone() -> None:
    class Failing:
        def sample(self, decoder: Any, at: int) -> int | None:
            raise ValueError("no token will do")

    setting, asked = Setting(), Asked([1, 2, 3])
    boxes: list[Mailbox[Told]] = [Mailbox(), Mailbox()]
    bad, good = (answers(asked, box)[0] for box in boxes)
    bad.chooser = Failing()
    with setting.loop() as loop:
        loop.submit([bad, good])
        with pytest.raises(Internal):
            await heard(boxes[0])
        [(text, end)] = await heard(boxes[1])
    assert (text, end.reason) == expected(asked)
    assert bad.held is None


async def test_closing_ends_what_runs_and_refuses_what_comes() -> None:
    setting = Setting(cells=10**7)
    mailbox: Mailbox[Told] = Mailbox()
    endless = answers(Asked([1, 1], limit=10**6), mailbox)
    endless[0].vocabulary = Vocabulary(VOCABULARY.piece, frozenset())
    with setting.loop() as loop:
        loop.submit(endless)
        await mailbox.get()
    with pytest.raises(ServiceUnavailable):
        await heard(mailbox)
    with pytest.raises(ServiceUnavailable):
        loop.submit(endless)


async def test_an_embedding_is_the_mean_direction_of_every_token() -> None:
    setting = Setting()
    with setting.loop() as loop:
        boxes: list[Mailbox[Told]] = [Mailbox(), Mailbox()]
        loop.submit([Embedding([3] * 100, 1, boxes[0]), Embedding([1, 7], 1, boxes[1])])
        told = [await box.get() for box in boxes]
    assert isinstance(told[0], list)
    assert isinstance(told[1], list)
    assert told[0] == pytest.approx([3 / 10**0.5, 1 / 10**0.5])
    assert told[1] == pytest.approx([8 / 68**0.5, 2 / 68**0.5])
