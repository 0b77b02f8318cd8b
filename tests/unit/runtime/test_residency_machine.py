"""Processes with a queue each, over the memory of one node: every order of events, and some known
ones."""

import math

import pytest

from services.runtime.residency.placement import CPU
from tests.fakes.node import TIMEOUT
from tests.fakes.virtual import looking
from tests.unit.runtime.residency_machine import ResidencyMachine

pytestmark = pytest.mark.usefixtures("nothing_unseen")

TestResidency = ResidencyMachine.TestCase
TestResidency.settings = looking(120)


def a_node(*slots: int, cpu: int = 100, fair: bool = False) -> ResidencyMachine:
    node = ResidencyMachine()
    node.begin({CPU: cpu}, list(slots), fair, True, -1.0, (math.inf, math.inf), 8, 0, 1)
    return node


def submit(node: ResidencyMachine, model: str, level: int = 1, key: str = "k", to: int = 0) -> None:
    node.submit(to, model, level, key, 4.0, True)
    node.clock.advance(0.25)


def test_a_swap_is_not_barred_by_who_comes_later_in_the_line_for_the_model_to_go() -> None:
    node = a_node(1, fair=True)
    submit(node, "a", 2)
    node.load_ends(0, "comes")
    submit(node, "a", 2)
    submit(node, "b", 2, "l")  # Its key has been served nothing, so it goes first.
    node.finish(0, True)
    assert [model.name for _, model in node.loads()] == ["b"]
    node.teardown()


def test_level_0_that_comes_while_another_model_is_loaded_waits_for_one_of_its_turns() -> None:
    node = a_node(1, 1)
    submit(node, "a", 1)
    submit(node, "a", 1)
    submit(node, "b", 0, to=1)
    node.load_ends(0, "comes")
    assert [(each.process.name, each.model) for each in node.at_work()] == [("process-0", "a")]
    node.finish(0, True)
    assert [(process.name, model.name) for process, model in node.loads()] == [("process-1", "b")]
    node.teardown()


def test_no_load_is_wasted_on_level_0_of_the_same_service_that_came_meanwhile() -> None:
    node = a_node(1)
    submit(node, "a", 1)
    submit(node, "a", 1)
    submit(node, "b", 0)
    node.load_ends(0, "comes")
    assert [each.model for each in node.at_work()] == ["a"]
    node.finish(0, True)
    assert [model.name for _, model in node.loads()] == ["b"]
    node.teardown()


def test_a_load_that_nobody_waits_for_any_more_does_not_hold_up_level_0() -> None:
    node = a_node(1, 1)
    submit(node, "a", 1)
    submit(node, "b", 0, to=1)
    node.cancel(0, True)
    node.load_ends(0, "comes")
    assert [(process.name, model.name) for process, model in node.loads()] == [("process-1", "b")]
    node.teardown()


def test_a_turn_of_level_0_opens_the_model_to_nobody_below_while_level_0_waits_for_its_memory() -> (
    None
):
    node = a_node(3)
    submit(node, "b", 0)
    submit(node, "a", 0)
    submit(node, "b", 1)
    node.load_ends(0, "comes")
    assert len(node.at_work()) == 1
    node.finish(0, True)
    assert [model.name for _, model in node.loads()] == ["a"]
    node.teardown()


def test_a_load_that_hangs_fails_in_time_and_the_next_request_works() -> None:
    node = a_node(1, cpu=120)
    submit(node, "a")
    node.time_passes(TIMEOUT)
    assert node.requests[0].task.result() == "ModelLoadFailed"
    assert node.ledger.used() == {CPU: 60}, "what hangs still takes its memory"
    submit(node, "a")
    node.load_ends(1, "comes")
    assert len(node.at_work()) == 1
    node.finish(0, True)
    node.load_ends(0, "comes")
    assert node.ledger.used() == {CPU: 60}, "what ended late was unloaded"
    node.teardown()


def test_out_of_memory_during_a_load_is_told_and_the_next_request_works() -> None:
    node = a_node(1)
    submit(node, "a")
    node.load_ends(0, "MemoryError")
    assert node.requests[0].task.result() == "OutOfMemory"
    assert node.ledger.used() == {CPU: 0}
    submit(node, "a")
    node.load_ends(0, "comes")
    assert len(node.at_work()) == 1
    node.teardown()
