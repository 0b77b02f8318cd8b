"""Work that calls back, as an iterator of its steps."""

import itertools
import threading
from collections.abc import Callable

import pytest

from services.melody.musicgen.stepping import Stepping


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_every_step_is_seen_and_the_result_is_there_after_the_last() -> None:
    def work(step: Callable[[], None]) -> str:
        for _ in range(5):
            step()
        return "done"

    stepping = Stepping(work)
    assert sum(1 for _ in stepping) == 5
    assert stepping.result == "done"


def test_no_step_is_taken_before_it_is_asked_for() -> None:
    begun = []

    def work(step: Callable[[], None]) -> None:
        for at in range(5):
            begun.append(at)
            step()

    for seen, _ in enumerate(Stepping(work), start=1):
        assert len(begun) == seen


def test_closing_ends_the_work_in_its_step_and_waits_for_it() -> None:
    begun, ended = [], []

    def work(step: Callable[[], None]) -> None:
        try:
            for at in itertools.count():
                begun.append(at)
                step()
        finally:
            ended.append(len(begun))

    steps = iter(Stepping(work))
    next(steps), next(steps)
    steps.close()
    assert begun == [0, 1]
    assert ended == [2]
    assert "stepping" not in threads()


def test_what_the_work_raises_is_raised_where_its_steps_are_taken() -> None:
    def work(step: Callable[[], None]) -> None:
        step()
        raise ArithmeticError("no number")

    steps = iter(Stepping(work))
    next(steps)
    with pytest.raises(ArithmeticError, match="no number"):
        next(steps)
    assert "stepping" not in threads()


def test_work_of_no_steps_has_a_result_too() -> None:
    stepping = Stepping(lambda _step: 7)
    assert list(stepping) == []
    assert stepping.result == 7
