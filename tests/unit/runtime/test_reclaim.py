import pytest

from services.runtime import reclaim
from services.runtime.reclaim import NOISE, unload, unreturned
from services.runtime.residency.placement import CPU, Placement

MB = 1_000_000
ON_CPU = Placement(((CPU, 300 * MB),))
SPLIT = Placement((("cuda:0", 200 * MB), (CPU, 300 * MB)), gpu_layers=5)


@pytest.mark.parametrize("returned", [300, 280, 75])
def test_what_came_back_in_good_part_is_no_loss(returned: int) -> None:
    before = {CPU: 900 * MB}
    assert unreturned(ON_CPU, before, {CPU: (900 - returned) * MB}) == 0


@pytest.mark.parametrize("returned", [74, 20, 0, -50])
def test_what_did_not_come_back_is_counted(returned: int) -> None:
    before = {CPU: 900 * MB}
    lost = unreturned(ON_CPU, before, {CPU: (900 - returned) * MB})
    assert lost == (300 - returned) * MB


def test_a_small_model_is_lost_in_the_noise() -> None:
    level = {CPU: 900 * MB}
    assert unreturned(Placement(((CPU, NOISE),)), level, level) == 0


def test_a_process_cannot_keep_more_than_it_has() -> None:
    level = {CPU: 100 * MB}
    assert unreturned(ON_CPU, level, level) == 0


def test_each_device_of_a_split_is_checked() -> None:
    before = {CPU: 900 * MB, "cuda:0": 2000 * MB}
    after = {CPU: 600 * MB, "cuda:0": 2000 * MB}
    assert unreturned(SPLIT, before, after) == 200 * MB


def test_a_gpu_that_does_not_answer_is_not_judged() -> None:
    assert unreturned(SPLIT, {CPU: 900 * MB, "cuda:0": 300 * MB}, {CPU: 600 * MB}) == 0


class Hoard:
    """Holds bytes that are really in memory; `keeps` them after it was closed, or not."""

    def __init__(self, size: int, *, keeps: bool) -> None:
        self._held: bytearray | None = bytearray(b"x") * size
        self._keeps = keeps

    def close(self) -> None:
        if not self._keeps:
            self._held = None


def test_memory_that_really_goes_is_seen_to_go() -> None:
    size = 100 * MB
    assert unload(Hoard(size, keeps=False), Placement(((CPU, size),))) == 0


def test_memory_that_stays_is_reported() -> None:
    # What other tests have freed would count for what this one does not.
    reclaim.trim()
    size = 200 * MB
    model = Hoard(size, keeps=True)
    assert unload(model, Placement(((CPU, size),))) == pytest.approx(size, abs=40 * MB)
