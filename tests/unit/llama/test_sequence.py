import asyncio
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.generation import Chosen, Finished, Piece
from services.runtime.llama.likelihood import chosen_of
from services.runtime.llama.mailbox import Mailbox
from services.runtime.llama.sequence import Answer, Told, Vocabulary
from tests.unit.llama.reading import Likeliest

END = 0


def answer(pieces: list[bytes], *, limit: int = 1000, stop: tuple[str, ...] = ()) -> Answer:
    """An answer whose token n is the nth of these pieces, counted from 1."""

    async def made() -> Answer:
        mailbox: Mailbox[Told] = Mailbox()
        vocabulary = Vocabulary(lambda token: pieces[token - 1], frozenset({END}))
        return Answer([7, 7, 7], 1, "", mailbox, Likeliest(), vocabulary, limit=limit, stop=stop)

    return asyncio.run(made())


def told(
    pieces: list[bytes], *, logprobs: bool = False, limit: int = 1000, stop: tuple[str, ...] = (),
    apart: float = 1.0,
) -> tuple[list[Piece], Finished]:  # fmt: skip
    """What is told of pieces that come so many seconds apart."""
    made = answer(pieces, limit=limit, stop=stop)
    found: list[Told] = []
    for token in (*range(1, len(pieces) + 1), END):
        chosen = Chosen(pieces[token - 1], -1.0) if logprobs and token != END else None
        found += made.accept(token, chosen, token * apart if token != END else 1e9)
        if made.ended:
            break
    *texts, end = found
    assert isinstance(end, Finished)
    return [piece for piece in texts if isinstance(piece, Piece)], end


def test_it_ends_by_itself_or_at_the_limit() -> None:
    pieces, end = told([b"a", b"b", b"c"])
    assert ([piece.text for piece in pieces], end.reason) == (["a", "b", "c"], "stop")
    assert (end.prompt_tokens, end.completion_tokens) == (3, 3)
    pieces, end = told([b"a", b"b", b"c"], limit=2)
    assert ([piece.text for piece in pieces], end.reason) == (["a", "b"], "length")


def test_where_nothing_may_follow_it_ends() -> None:
    made = answer([b"a"])
    assert made.accept(1, None, 0) == [Piece("a")]
    assert made.accept(None, None, 0) == [Finished("stop", 3, 0, 1)]


def test_a_stop_string_ends_it_and_is_not_told() -> None:
    pieces, end = told([b"one E", b"ND", b" two"], stop=("END",))
    assert ("".join(piece.text for piece in pieces), end.reason) == ("one ", "stop")
    assert end.completion_tokens == 2


def test_tokens_come_with_the_text_that_they_are_of() -> None:
    pieces, _ = told([b"a", b"\xc3", b"\xa9", b"b S", b"T", b"x"], logprobs=True, stop=("STOP",))
    assert [(piece.text, [each.token for each in piece.chosen]) for piece in pieces] == [
        ("a", [b"a"]),
        ("é", [b"\xc3", b"\xa9"]),
        ("b ", []),
        ("STx", [b"b S", b"T", b"x"]),
    ]


def test_tokens_of_nothing_but_a_stop_string_are_not_told() -> None:
    pieces, _ = told([b"a", b"b S", b"TOP", b"x"], logprobs=True, stop=("STOP",))
    assert [each.token for piece in pieces for each in piece.chosen] == [b"a", b"b S"]


def test_the_first_piece_is_told_at_once_and_others_not_closer_than_50_milliseconds() -> None:
    pieces, _ = told([b"a", b"b", b"c", b"d", b"e", b"f"], apart=0.02, logprobs=True)
    assert [piece.text for piece in pieces] == ["a", "bcd", "ef"]
    assert [len(piece.chosen) for piece in pieces] == [1, 3, 2]
    assert [piece.tokens for piece in pieces] == [1, 3, 2]


@given(st.text(), st.integers(1, 5), st.booleans(), st.sampled_from([0.0, 0.02, 1.0]))
def test_every_token_and_every_character_is_told_once(
    text: str, size: int, cut: bool, apart: float
) -> None:
    raw = text.encode()
    tokens = [raw[at : at + size] for at in range(0, len(raw), size)]
    limit = max(1, len(tokens) // 2) if cut else 1000
    pieces, _ = told(tokens, logprobs=True, limit=limit, apart=apart)
    assert [each.token for piece in pieces for each in piece.chosen] == tokens[:limit]
    expected = b"".join(tokens[:limit]).decode("utf-8", "replace")
    assert "".join(piece.text for piece in pieces) == expected


def name(token: int) -> bytes:
    return str(token).encode()


def test_log_probabilities_are_those_of_the_softmax() -> None:
    logits = np.array([1.0, 3.0, 2.0, -math.inf], np.float32)
    total = math.log(sum(math.exp(each) for each in (1.0, 3.0, 2.0)))
    found = chosen_of(logits, 2, 2, name)
    assert found.token == b"2"
    assert found.logprob == pytest.approx(2 - total)
    assert [token for token, _ in found.likeliest] == [b"1", b"2"]
    assert found.likeliest[0][1] == pytest.approx(3 - total)
    assert chosen_of(logits, 3, 0, name) == Chosen(b"3", -9999.0)
