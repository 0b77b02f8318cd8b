"""What a job is told: its steps, what is made again, and whose ids are whose."""

import json
from dataclasses import replace

import pytest

from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest
from services.song.order import Order, again, job_id
from services.song.steps import STEPS
from services.song.steps.making import Output
from services.song.wish import Section, Wish

OUTPUTS: dict[str, Output] = {
    step: {"facts": {step: 1}, "files": [f"{step}.file"]} for step in STEPS
}


def order(wish: Wish | None = None, voice: str = "") -> Order:
    return Order(
        wish=wish or Wish(genre="rock"),
        owner="alice",
        level=2,
        request_id="req_1",
        created=1.5,
        seeds=dict.fromkeys(STEPS, 7),
        voice=voice,
    )


def test_a_song_has_the_steps_that_it_needs() -> None:
    assert order().steps == ["lyrics", "melody", "vocals", "mix"]
    assert order(voice="abc").steps == ["emotion", "lyrics", "melody", "vocals", "mix"]
    assert order(Wish(instrumental=True)).steps == ["lyrics", "melody", "mix"]


def test_an_order_is_the_same_after_it_was_kept() -> None:
    repeated = again(order(voice="abc"), "song_1", OUTPUTS, "melody", 9)
    assert Order.from_json(json.loads(json.dumps(repeated.to_json()))) == repeated


def test_what_comes_before_a_step_is_kept_and_the_rest_made_again() -> None:
    repeated = again(order(voice="abc"), "song_1", OUTPUTS, "melody", 9)
    assert list(repeated.kept) == ["emotion", "lyrics"]
    assert repeated.made == ["melody", "vocals", "mix"]
    assert (repeated.seeds["melody"], repeated.seeds["lyrics"]) == (9, 7)
    assert repeated.repeated_from == "song_1"
    asked = repeated.asked_by(RequestContext("req_2", "alice", 0), 3.0)
    assert (asked.request_id, asked.level, asked.created) == ("req_2", 0, 3.0)
    assert asked.fingerprint == repeated.fingerprint


@pytest.mark.parametrize(
    ("made", "step"),
    [
        (order(voice="abc"), "emotion"),
        (order(), "emotion"),
        (order(Wish(instrumental=True)), "vocals"),
        (order(Wish(lyrics=(Section("verse", ("One",)),))), "lyrics"),
    ],
)
def test_a_step_that_cannot_be_made_again_is_refused(made: Order, step: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        again(made, "song_1", OUTPUTS, step, 9)
    assert refused.value.param == "step"


def test_two_requests_are_the_same_whatever_they_are_called() -> None:
    one, other = order(), order().asked_by(RequestContext("req_2", "alice", 0), 9.0)
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != order(Wish(genre="pop")).fingerprint
    assert one.fingerprint != order(voice="abc").fingerprint


def test_another_seed_that_was_asked_for_is_another_request() -> None:
    assert replace(order(), seed=7).fingerprint != replace(order(), seed=8).fingerprint
    one, other = (again(order(), "song_1", OUTPUTS, "melody", seed) for seed in (8, 9))
    assert one.fingerprint != other.fingerprint


def test_a_seed_that_nobody_asked_for_is_no_part_of_the_request() -> None:
    one, other = (again(order(), "song_1", OUTPUTS, "melody", None) for _ in range(2))
    assert one.seeds != other.seeds
    assert one.fingerprint == other.fingerprint


def test_no_two_owners_lead_to_one_job() -> None:
    assert job_id("a", "key") == job_id("a", "key")
    ids = {job_id("a", "key"), job_id("b", "key"), job_id("ak", "ey"), job_id("", "akey")}
    assert len(ids) == 4
