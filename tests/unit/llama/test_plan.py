from collections.abc import Hashable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.llama.plan import Pace, Turns, plan


@dataclass
class Wants:
    level: int = 1
    pending: int = 1
    group: Hashable = ""


def counts(active: list[Wants]) -> list[int]:
    step = plan(active, Turns(), alone=100, beside=20)
    found = {id(each): count for each, count in step}
    return [found.get(id(each), 0) for each in active]


def test_prompts_are_read_in_small_pieces_beside_answers_and_in_large_ones_alone() -> None:
    assert counts([Wants(), Wants(pending=70), Wants(pending=70)]) == [1, 20, 0]
    assert counts([Wants(pending=70), Wants(pending=70)]) == [70, 30]


def test_an_urgent_prompt_has_the_step_to_itself() -> None:
    assert counts([Wants(0, 70), Wants(1), Wants(2, 50)]) == [70, 0, 0]


def test_an_urgent_prompt_does_not_stop_answers_as_urgent() -> None:
    assert counts([Wants(0), Wants(0, 70), Wants(1)]) == [1, 20, 0]


def test_an_urgent_answer_goes_on_among_all() -> None:
    assert counts([Wants(0), Wants(1), Wants(2, 50)]) == [1, 1, 20]


def test_groups_take_turns_of_some_steps() -> None:
    active, turns = [Wants(group="a"), Wants(group="b"), Wants(group="c")], Turns()
    steps = [plan(active, turns, alone=9, beside=9) for _ in range(4 * Turns.STEPS)]
    groups = [step[0][0].group for step in steps]
    assert groups == [name for name in "abca" for _ in range(Turns.STEPS)]


def test_less_urgent_groups_wait() -> None:
    assert counts([Wants(1, group="a"), Wants(2, group="b"), Wants(2, group="a")]) == [1, 0, 1]


@given(
    st.lists(
        st.builds(Wants, st.integers(0, 2), st.integers(1, 300), st.sampled_from("ab")), min_size=1
    )
)
def test_every_step_does_something_and_no_more_than_was_said(active: list[Wants]) -> None:
    active.sort(key=lambda each: each.level)
    step = plan(active, Turns(), alone=100, beside=20)
    assert step
    assert len({each.group for each, _ in step}) == 1
    assert all(1 <= count <= each.pending for each, count in step)
    assert sum(count for each, count in step if each.pending > 1) <= 100
    assert step[0][0].level == active[0].level


def test_the_pace_follows_what_it_sees() -> None:
    pace = Pace(512)
    for _ in range(30):
        pace.observe(32, 0.032)
    assert pace.within(0.1) == 99 or pace.within(0.1) == 100
    for _ in range(30):
        pace.observe(512, 0.01)
    assert pace.within(0.1) == 512
    for _ in range(60):
        pace.observe(16, 16.0)
    assert pace.within(0.1) == Pace.LEAST


def test_a_step_of_few_tokens_teaches_nothing() -> None:
    pace = Pace(512)
    before = pace.within(0.1)
    pace.observe(8, 60.0)
    assert pace.within(0.1) == before
