"""The page says what the results file says, and the results file holds every combination."""

from pathlib import Path

import pytest

from bench.simulation.__main__ import PAGE
from bench.simulation.plots import draw
from bench.simulation.report import fill
from bench.simulation.results import Row, find, load, mean, save, summed_up
from bench.simulation.study import POLICIES, Job, jobs

RESULTS = PAGE.with_suffix("") / "results.json"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return load(RESULTS)


def job(seed: int) -> Job:
    return Job("waits", "reference", "poisson", 1, 0.75, "fifo", seed, 50)


def test_the_page_is_what_the_results_make_of_it(rows: list[Row]) -> None:
    page = PAGE.read_text("utf-8")
    assert page == fill(page, rows)


def test_every_combination_of_the_study_has_a_row_of_three_seeds(rows: list[Row]) -> None:
    names = ("kind", "workload", "trace", "devices", "level", "load", "policy")
    studied = {tuple(getattr(job, name) for name in names) for job in jobs()}
    assert {tuple(row[name] for name in names) for row in rows} == studied
    assert {row["seeds"] for row in rows if row["kind"] != "million"} == {3}


def test_every_plot_can_be_drawn(rows: list[Row], tmp_path: Path) -> None:
    draw(rows, tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {f"{name}.png" for name in ("waits", "goodput", "swaps", "devices", "fairness")}


def test_seeds_are_summed_up_as_mean_and_deviation(tmp_path: Path) -> None:
    rows = summed_up(
        [(job(1), {"p95_0": 2.0, "jain_0": None}), (job(2), {"p95_0": 4.0, "jain_0": 1.0})]
    )
    save(tmp_path / "results.json", rows)
    row = find(load(tmp_path / "results.json"), policy="fifo", load=0.75)
    assert row["p95_0"] == pytest.approx([3.0, 2**0.5], abs=1e-3)
    assert row["jain_0"] is None
    assert row["seeds"] == 2
    assert mean(row, "p95_0") == 3.0


def test_a_figure_that_nobody_simulated_is_an_error(rows: list[Row]) -> None:
    with pytest.raises(LookupError, match="0 rows"):
        find(rows, kind="waits", policy="lifo")
    with pytest.raises(LookupError, match="4 rows"):
        find(
            [{"policy": policy, "load": 1} for policy in POLICIES],
            load=1,
        )


def test_an_unknown_block_is_an_error() -> None:
    with pytest.raises(KeyError, match="weather"):
        fill("<!-- begin weather -->\n<!-- end -->", [])


def test_what_is_around_the_blocks_stays(rows: list[Row]) -> None:
    page = fill("Before.\n<!-- begin million -->\nold\n<!-- end -->\nAfter.", rows)
    assert page.startswith("Before.\n<!-- begin million -->\n1,000,000 requests on 64 devices")
    assert page.endswith("\n<!-- end -->\nAfter.")
