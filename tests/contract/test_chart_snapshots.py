"""What each flavour installs is what was reviewed."""

import re

from tests.contract.chart import CHART, EVERY_FLAVOUR, FLAVOURS, objects, values_of
from tests.contract.chart_summary import SNAPSHOTS, summary

UPDATE = "`python -m tests.contract.chart_summary --write` writes what it is now: review it."


@EVERY_FLAVOUR
def test_a_flavour_installs_what_was_reviewed(flavour: str) -> None:
    reviewed = SNAPSHOTS / f"{flavour}.txt"
    assert reviewed.exists(), f"{reviewed.name} is missing. {UPDATE}"
    assert summary(values_of(flavour)) == reviewed.read_text("utf-8"), UPDATE


def test_there_is_no_snapshot_of_a_flavour_that_is_gone() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(FLAVOURS), UPDATE


def test_a_snapshot_can_be_read() -> None:
    for path in SNAPSHOTS.glob("*.txt"):
        assert len(path.read_text("utf-8").splitlines()) < 450, path.name


def test_every_kind_of_object_is_in_some_flavour() -> None:
    texts = [path.read_text("utf-8") for path in CHART.glob("templates/**/*.yaml")]
    kinds = {kind for text in texts for kind in re.findall(r"^kind: (\w+)$", text, re.M)}
    assert kinds == {each["kind"] for name in FLAVOURS for each in objects(values_of(name))}
