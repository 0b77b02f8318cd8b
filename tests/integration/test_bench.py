"""The command line of the benchmarks: which parts it runs, and with what."""

from collections.abc import Sequence

import pytest

from bench.__main__ import PARTS, Part, main


@pytest.fixture
def ran() -> list[tuple[str, list[str]]]:
    return []


@pytest.fixture
def parts(ran: list[tuple[str, list[str]]]) -> dict[str, Part]:
    def noting(name: str) -> Part:
        def part(arguments: Sequence[str]) -> None:
            ran.append((name, list(arguments)))

        return part

    return {name: noting(name) for name in ("one", "two", "three")}


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ([], [("one", []), ("two", []), ("three", [])]),
        (["three", "one"], [("three", []), ("one", [])]),
        (["two", "--rounds", "5", "--plot", "one"], [("two", ["--rounds", "5", "--plot", "one"])]),
    ],
)
def test_parts_run_in_their_order_and_one_alone_with_its_options(
    arguments: list[str],
    runs: list[tuple[str, list[str]]],
    parts: dict[str, Part],
    ran: list[tuple[str, list[str]]],
) -> None:
    main(arguments, parts)
    assert ran == runs


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "one, two, three"),
        (["one", "two", "--help"], 0, "one, two, three"),
        (["four"], 2, "there is no part 'four'"),
        (["one", "two", "--rounds", "5"], 2, "unrecognized arguments"),
    ],
)
def test_whoever_asks_for_help_or_for_what_is_not_there_runs_nothing(
    arguments: list[str],
    status: int,
    said: str,
    parts: dict[str, Part],
    ran: list[tuple[str, list[str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments, parts)
    assert end.value.code == status
    told = capsys.readouterr()
    assert said in told.out + told.err
    assert ran == []


@pytest.mark.parametrize("name", PARTS)
def test_every_part_tells_what_it_is_and_runs_nothing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert f"python -m bench {name}" in capsys.readouterr().out
