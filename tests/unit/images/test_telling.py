"""What a library tells by calling back comes out of an iterator."""

import threading
from collections.abc import Callable

import pytest

from services.images.telling import told
from services.runtime.errors import Cancelled


def test_everything_that_is_told_comes_in_order() -> None:
    def work(tell: Callable[[int], None]) -> None:
        for number in range(3):
            tell(number)

    assert list(told(work)) == [0, 1, 2]


def test_a_failure_comes_after_what_was_told() -> None:
    def work(tell: Callable[[int], None]) -> None:
        tell(1)
        raise ValueError("broken")

    items = told(work)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_who_leaves_ends_the_work() -> None:
    ended = threading.Event()

    def work(tell: Callable[[int], None]) -> None:
        try:
            while True:
                tell(1)
        except Cancelled:
            ended.set()
            raise

    items = told(work)
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined]
    assert ended.is_set()
