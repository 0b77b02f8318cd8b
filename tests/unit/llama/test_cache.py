import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.batch import Share
from services.runtime.llama.cache import Cache, Held
from tests.unit.llama.reading import FakeReader


class Reading:
    """A cache, and a memory that it must agree with."""

    def __init__(
        self, *, sequences: int = 4, cells: int = 100, reuse: bool = True, aside: int = 0
    ) -> None:
        self.memory = FakeReader(cells, orderly=aside > 0)
        self.cache = Cache(self.memory, sequences=sequences, cells=cells, reuse=reuse, aside=aside)

    def take(self, tokens: list[int], adapter: str = "") -> Held | None:
        return self.cache.take(tokens, adapter)

    def read(self, tokens: list[int], adapter: str = "") -> Held:
        """Takes a sequence and reads what it lacks."""
        held = self.take(tokens, adapter)
        assert held is not None
        known = len(held.tokens)
        while self.cache.free < len(tokens) - known and self.cache.reclaim():
            pass
        self.memory.read([Share(held.sequence, known, tokens[known:], 1)])
        self.cache.extend(held, tokens[known:])
        return held


def test_what_is_known_is_shared_but_for_the_last_token() -> None:
    reading = Reading()
    reading.read([1, 2, 3, 4])
    second = reading.take([1, 2, 3, 4])
    assert second is not None
    assert second.tokens == [1, 2, 3]
    assert reading.cache.free == reading.cache.cells - 4


def test_a_conversation_goes_on_in_its_own_sequence() -> None:
    reading = Reading()
    first = reading.read([1, 2, 3])
    reading.cache.release(first)
    assert reading.take([1, 2, 3, 4, 5]) is first
    assert first.tokens == [1, 2, 3]


def test_what_others_begin_alike_stays_for_the_next() -> None:
    reading = Reading()
    first = reading.read([1, 2, 3])
    reading.cache.release(first)
    second = reading.take([1, 2, 9, 9])
    assert second is not first
    assert second is not None
    assert (second.tokens, first.tokens) == ([1, 2], [1, 2, 3])


def test_nothing_is_shared_across_adapters() -> None:
    reading = Reading()
    reading.read([1, 2, 3])
    other = reading.take([1, 2, 3], "rock")
    assert other is not None
    assert other.tokens == []


def test_the_least_recently_used_goes_first() -> None:
    reading = Reading(sequences=3)
    for number in (1, 2, 3):
        reading.cache.release(reading.read([number, 7]))
    reading.cache.release(reading.read([1, 7, 8]))
    reading.read([9, 9])
    known = [reading.take([number, 7, 5]) for number in (1, 2)]
    assert [held and held.tokens for held in known] == [[1, 7], []]


def test_when_all_are_busy_there_is_none() -> None:
    reading = Reading(sequences=2)
    reading.read([1, 2])
    reading.read([3, 4])
    assert reading.take([1, 2]) is None
    assert not reading.cache.reclaim()


def test_without_reuse_nothing_is_kept() -> None:
    reading = Reading(reuse=False)
    reading.cache.release(reading.read([1, 2, 3]))
    assert reading.memory.used == 0
    again = reading.take([1, 2, 3])
    assert again is not None
    assert again.tokens == []


def test_cells_in_common_count_once() -> None:
    reading = Reading()
    first, second = reading.read([1, 2, 3, 4]), reading.read([1, 2, 3, 5])
    assert reading.cache.taken_by([first, second]) == 5


_tokens = st.lists(st.integers(0, 2), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(_tokens, st.booleans()), max_size=30),
    st.booleans(),
    st.sampled_from([0, 1, 12, 100]),
)
def test_cells_are_counted_as_the_memory_counts_them(
    requests: list[tuple[list[int], bool]], reuse: bool, aside: int
) -> None:
    reading = Reading(sequences=3, cells=40, reuse=reuse, aside=aside)
    cache, busy = reading.cache, list[Held]()
    for tokens, keep in requests:
        if len(busy) == 3:
            cache.release(busy.pop(0))
        held = reading.read(tokens)
        assert held.tokens == tokens
        if keep:
            busy.append(held)
        else:
            cache.release(held)
        assert cache.free == cache.cells - reading.memory.used
        assert cache.waste <= reading.memory.used
    for held in busy:
        cache.release(held)
    while cache.reclaim():
        pass
    assert cache.free == cache.cells
    assert reading.memory.used == 0


def test_what_is_moved_together_keeps_what_it_shares() -> None:
    reading = Reading(aside=50)
    reading.cache.release(reading.read([7, 7, 7]))
    first, second = reading.read([1, 2, 3, 4]), reading.read([1, 2, 3, 5])
    assert (reading.cache.waste, reading.memory.used) == (0, 8)
    assert reading.cache.reclaim()
    assert reading.memory.used == 5
    assert (first.tokens, second.tokens) == ([1, 2, 3, 4], [1, 2, 3, 5])
    assert not reading.cache.reclaim()


def test_what_was_put_aside_comes_back() -> None:
    reading = Reading(aside=50)
    reading.cache.release(reading.read([1, 2, 3, 4]))
    assert reading.cache.reclaim()
    assert reading.memory.used == 0
    again = reading.read([1, 2, 3, 9, 9])
    assert reading.memory.tokens_read == 4 + 2
    other = reading.take([1, 2, 8])
    assert other is not None
    assert (again.tokens, other.tokens) == ([1, 2, 3, 9, 9], [1, 2])


def test_what_is_put_aside_stays_there_where_little_of_it_is_wanted() -> None:
    reading = Reading(cells=200, aside=100)
    for tokens in ([1, 2, *range(10, 60)], [1, 2, *range(70, 90)]):
        reading.cache.release(reading.read(tokens))
        reading.cache.reclaim()
    little, more = reading.take([1, 9]), reading.take([1, 2, 9])
    assert little is not None
    assert more is not None
    assert (little.tokens, reading.memory.used) == ([], 22)
    assert more.tokens == [1, 2], "of the shorter"


def test_of_what_is_put_aside_the_least_recently_used_goes_first() -> None:
    reading = Reading(aside=8)
    for tokens in ([1, 1, 1], [2, 2, 2], [1, 1, 1, 5], [3, 3, 3]):
        reading.cache.release(reading.read(tokens))
        reading.cache.reclaim()
    known = [reading.take([number] * 4) for number in (1, 2, 3)]
    assert [len(held.tokens) for held in known if held] == [3, 0, 3]


def test_what_is_too_large_to_be_put_aside_drives_nothing_out() -> None:
    reading = Reading(aside=4)
    for tokens in ([1, 1, 1], [2, 2, 2, 2, 2]):
        reading.cache.release(reading.read(tokens))
        reading.cache.reclaim()
    known = [reading.take([number] * 4) for number in (1, 2)]
    assert [held and held.tokens for held in known] == [[1, 1, 1], []]


def test_after_a_failure_nothing_is_trusted_that_was_put_aside() -> None:
    reading = Reading(aside=50)
    reading.cache.release(reading.read([1, 2, 3, 4]))
    reading.cache.reclaim()
    reading.cache.clear()
    again = reading.take([1, 2, 3, 4])
    assert again is not None
    assert again.tokens == []


@pytest.mark.parametrize("length", [1, 2, 1000])
def test_the_longest_beginning_is_found(length: int) -> None:
    reading = Reading(cells=5000)
    known = list(range(1500))
    reading.read(known)
    other = reading.take([*known[:length], -1, -1])
    assert other is not None
    assert other.tokens == known[:length]
