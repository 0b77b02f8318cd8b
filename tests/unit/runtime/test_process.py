"""Which processes live."""

import os
from dataclasses import replace

from services.runtime.process import is_alive, this_process


def test_we_are_alive() -> None:
    assert this_process().pid == os.getpid()
    assert is_alive(this_process())


def test_another_start_is_another_process() -> None:
    assert not is_alive(replace(this_process(), started=1))


def test_a_number_that_nobody_has_is_dead() -> None:
    assert not is_alive(replace(this_process(), pid=2**22 + 1))
