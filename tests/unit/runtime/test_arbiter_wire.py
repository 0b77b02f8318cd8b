"""The arbiter's messages: what goes in at one clock comes out at another."""

import math

import pytest

from services.runtime import arbiter_wire as wire
from services.runtime.errors import Internal, OutOfMemory
from services.runtime.process import this_process
from services.runtime.residency.memory import Claim, Use
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (Urgency(0, 90.0, 130.0), Urgency(0, 990.0, 1030.0)),
        (Urgency(1, 100.0, 95.0), Urgency(1, 1000.0, 995.0)),
        (Urgency(2, 90.0, math.inf), Urgency(2, 990.0, math.inf)),
    ],
)
def test_urgency_travels_as_ages(said: Urgency, heard: Urgency) -> None:
    assert wire.read_urgency(wire.write_urgency(said, 100.0), 1000.0) == heard


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (Use(True, 99.0, 2.0, pinned=True), Use(True, 999.0, 2.0, pinned=True)),
        (Use(False, None), Use(False, None)),
        (Use(True, 100.0), Use(True, 1000.0)),
    ],
)
def test_use_travels_as_ages_and_idle_for_no_time_is_not_busy(said: Use, heard: Use) -> None:
    assert wire.read_use(wire.write_use(said, 100.0), 1000.0) == heard


@pytest.mark.parametrize("evict", [True, False])
def test_a_claim_arrives_as_it_was(evict: bool) -> None:
    footprint = Footprint(10**11, 80, 10**9, frozenset({"cuda", "cpu"}))
    claim = Claim(3, "model", footprint, Urgency(1, 5.0), evict)
    assert wire.read_claim(wire.write_claim(claim, 5.0), 5.0) == claim


def test_a_placement_keeps_its_order() -> None:
    placement = Placement((("cuda:1", 10), ("cpu", 20)), -1)
    assert wire.read_placement(wire.write_placement(placement)) == placement


def test_a_refusal_is_the_same_error_at_the_other_end() -> None:
    refusal = OutOfMemory("too large", param="model", retry_after=30.0)
    error = wire.read_refusal(wire.write_refusal(1, refusal))
    assert type(error) is OutOfMemory
    assert (error.message, error.param, error.retry_after) == ("too large", "model", 30.0)


def test_a_refusal_that_we_do_not_know_is_internal() -> None:
    message = wire.write_refusal(1, OutOfMemory("too large"))
    message.reason = "INVENTED_LATER"
    error = wire.read_refusal(message)
    assert type(error) is Internal
    assert (error.param, error.retry_after) == (None, None)


def test_a_process_arrives_as_it_was() -> None:
    assert wire.read_process(wire.write_process(this_process())) == this_process()
