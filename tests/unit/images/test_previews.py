"""When unfinished states of an image are shown, and what a wish costs."""

import dataclasses

import pytest

from services.images.engine import ImageRequest, due_previews

WISH = ImageRequest(seeds=(1,), width=1000, height=500, steps=4, guidance=0.0)


@pytest.mark.parametrize(
    ("steps", "previews", "after"),
    [(4, 1, [2]), (4, 3, [1, 2, 3]), (1, 3, []), (2, 3, [1, 1]), (30, 2, [10, 20]), (4, 0, [])],
)
def test_previews_lie_evenly_between_beginning_and_end(
    steps: int, previews: int, after: list[int]
) -> None:
    wish = dataclasses.replace(WISH, steps=steps, previews=previews)
    shown: list[int] = []
    for made in range(1, steps + 1):
        while len(shown) < due_previews(wish, made):
            shown.append(made)
    assert shown == after


def test_the_cost_is_in_steps_of_a_megapixel() -> None:
    assert dataclasses.replace(WISH, seeds=(1, 2)).cost() == 4
