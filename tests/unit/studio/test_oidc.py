"""Attempts to sign in at a provider, which browsers keep."""

from dataclasses import replace

from services.studio.oidc import Seal
from services.studio.provider import Attempt

MINE = Attempt("state", "nonce", "verifier", "https://studio.test/back", "/studio/en/chat")


def test_an_attempt_comes_back_as_it_was() -> None:
    seal = Seal()
    assert seal.opened(seal.sealed(MINE), MINE.state) == MINE


def test_what_a_browser_keeps_tells_it_nothing() -> None:
    seal = Seal()
    sealed = seal.sealed(MINE)
    assert sealed != seal.sealed(MINE)
    assert not any(each in sealed for each in ("state", "nonce", "verifier"))


def test_attempts_of_any_number_of_others_push_none_out() -> None:
    seal = Seal()
    sealed = seal.sealed(MINE)
    for at in range(2000):
        seal.sealed(replace(MINE, state=str(at)))
    assert seal.opened(sealed, MINE.state) == MINE


def test_an_attempt_is_good_for_its_own_state_alone() -> None:
    seal = Seal()
    sealed = seal.sealed(MINE)
    for state in ("", "another", "stat", seal.sealed(MINE)):
        assert seal.opened(sealed, state) is None


def test_nothing_is_believed_that_was_not_sealed_here() -> None:
    seal, other = Seal(), Seal()
    sealed = seal.sealed(MINE)
    for cookie in ("", "x", "ñ", sealed[:-1], sealed[:-4] + "AAA=", other.sealed(MINE)):
        assert seal.opened(cookie, MINE.state) is None


def test_an_attempt_ends() -> None:
    now = [1_000_000.0]
    seal = Seal(wall=lambda: now[0])
    sealed = seal.sealed(MINE)
    now[0] += 599
    assert seal.opened(sealed, MINE.state) == MINE
    now[0] += 2
    assert seal.opened(sealed, MINE.state) is None


def test_a_cookie_holds_an_attempt_with_the_longest_address() -> None:
    host = f"https://{'a' * 253}/studio/oidc/callback"
    long = Attempt("s" * 48, "n" * 48, "v" * 48, host, "/studio/" + "a" * 504)
    assert len(Seal().sealed(long)) < 3000
