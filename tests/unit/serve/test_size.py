"""Sizes as people write them."""

import pytest

from orfeon.cli.serve import memory_size, parse_size
from orfeon.fault import Fault


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("600MB", 600_000_000),
        ("4GB", 4_000_000_000),
        ("4 gb", 4_000_000_000),
        ("1.5G", 1_500_000_000),
        ("2GiB", 2 * 2**30),
        ("512KiB", 2**19),
        ("1000", 1000),
    ],
)
def test_a_size_is_read_as_it_is_written(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["much", "-1GB", "0", "4 GB!", "GB", "1e9", "0.4B", "9999999999TB", "9" * 400 + "GB"],
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Fault, match="600MB"):
        parse_size(text)


def test_memory_without_its_unit_is_refused_where_it_would_hold_no_model() -> None:
    assert memory_size("600MB") == 600_000_000
    with pytest.raises(Fault, match="into 4 bytes; give the unit"):
        memory_size("4")
