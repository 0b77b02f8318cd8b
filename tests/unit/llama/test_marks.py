"""Where pictures go in a prompt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.marks import Rows, Seen, is_mark, key_of, marks, row_of


@given(st.binary(max_size=8), st.integers(0, 100), st.integers(1, 600))
def test_a_mark_says_which_row_of_which_chunk_goes_there(data: bytes, at: int, rows: int) -> None:
    key = key_of(data, at)
    places = list(marks(key, rows))
    assert all(map(is_mark, places))
    assert [row_of(place) for place in places] == [(key, row) for row in range(rows)]


def test_other_pictures_and_other_chunks_share_no_mark() -> None:
    keys = {key_of(data, at) for data in (b"", b"a", b"b") for at in range(20)}
    assert len(keys) == 60
    assert len({place for key in keys for place in marks(key, 20)}) == 1200


def test_a_token_is_no_mark() -> None:
    assert not is_mark(0)
    assert not is_mark(49151)


def rows(count: int, number: float) -> Rows:
    return np.full((count, 4), number, np.float32)


A, B = key_of(b"a", 0), key_of(b"b", 0)
#: Two words, a picture of five rows, at once another of three, and a word.
PROMPT = [1, 2, *marks(A, 5), *marks(B, 3), 3]
ROWS = {A: rows(5, 1.0), B: rows(3, 2.0)}


@pytest.mark.parametrize(
    ("past", "count", "room", "read"),
    [(0, 9, 9, 2), (0, 1, 9, 1), (0, 9, 1, 1), (2, 99, 99, 5), (2, 3, 99, 3), (5, 99, 99, 2),
     (7, 99, 99, 3), (7, 99, 2, 2), (10, 99, 99, 1)],
)  # fmt: skip
def test_tokens_are_read_apart_from_marks_and_chunks_from_one_another(
    past: int, count: int, room: int, read: int
) -> None:
    assert Seen(ROWS).stretch(PROMPT, past, count, room) == read


@pytest.mark.parametrize(
    ("past", "count", "room", "read"), [(0, 9, 9, 2), (2, 1, 5, 5), (2, 9, 4, 0), (7, 1, 3, 3)]
)
def test_what_is_not_causal_is_read_at_once_or_not(
    past: int, count: int, room: int, read: int
) -> None:
    assert Seen(ROWS, causal=False).stretch(PROMPT, past, count, room) == read


@given(st.integers(1, 20), st.booleans())
def test_a_prompt_is_read_to_its_end(count: int, causal: bool) -> None:
    seen, past = Seen(ROWS, causal), 0
    read: list[float] = []
    while past < len(PROMPT):
        stretch = seen.stretch(PROMPT, past, count, room=20)
        part = seen.encoding(PROMPT[past : past + stretch])
        read += [0.0] * stretch if part is None else part[:, 0].tolist()
        past += stretch
    assert read == [0.0] * 2 + [1.0] * 5 + [2.0] * 3 + [0.0]


def test_without_pictures_nothing_is_cut() -> None:
    assert Seen().stretch([1, 2, 3], 1, 9, 9) == 2
    assert Seen().encoding([1, 2, 3]) is None


def test_marks_without_a_row_are_not_known() -> None:
    assert Seen(ROWS).knows(PROMPT)
    assert Seen().knows([1, 2])
    for unknown in ([-1], [*marks(A, 6)], [*marks(key_of(b"c", 0), 1)]):
        assert not Seen(ROWS).knows(unknown)
