import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.text import TextStream


def test_a_character_split_over_tokens_comes_whole() -> None:
    stream = TextStream([])
    assert [stream.feed(bytes([byte])) for byte in "é€".encode()] == ["", "é", "", "", "€"]


def test_a_stop_string_over_several_tokens_never_shows() -> None:
    stream = TextStream(["END"])
    shown = [stream.feed(token) for token in (b"the E", b"N", b"D of it")]
    assert ("".join(shown), stream.stopped) == ("the ", True)
    assert stream.flush() == ""


def test_what_only_began_like_a_stop_string_shows_in_the_end() -> None:
    stream = TextStream(["END"])
    assert stream.feed(b"the E") + stream.flush() == "the E"


def test_the_earliest_of_several_stop_strings_ends_the_text() -> None:
    stream = TextStream(["cd", "b"])
    assert stream.feed(b"abcd") == "a"


@given(st.text(), st.lists(st.text(min_size=1), max_size=3), st.data())
def test_any_split_into_tokens_gives_the_same_text(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    stream = TextStream(stop)
    shown = [stream.feed(raw[a:b]) for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    # With several stop strings the first one completed wins; with at most one it is the first.
    if len(stop) <= 1:
        expected = text.split(stop[0])[0] if stop else text
        assert "".join(shown) + stream.flush() == expected


@pytest.mark.parametrize("garbage", [b"\xff", b"\xe2\x82"])
def test_bytes_that_are_no_text_are_replaced(garbage: bytes) -> None:
    stream = TextStream([])
    assert stream.feed(b"a" + garbage) + stream.flush() == "a\N{REPLACEMENT CHARACTER}"
