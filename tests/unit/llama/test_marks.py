"""Where pictures go in a prompt."""

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.marks import is_mark, key_of, marks, row_of


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
