"""Times and sizes, as people say them."""

import pytest

from services.studio.spans import moment, size, span
from services.studio.texts import Texts

EN, ES = Texts("en"), Texts("es")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "0 s"), (0.4, "0 s"), (8.2, "8 s"), (119, "119 s"), (180, "3 min"), (7200, "2 h"),
     (4 * 86400, "4 days")],
)  # fmt: skip
def test_a_time_is_told_in_its_largest_unit(seconds: float, told: str) -> None:
    assert span(seconds, EN) == told


def test_sizes_and_times_are_told_in_the_language_of_the_page() -> None:
    assert size(80_000_000, EN) == "80 MB"
    assert size(1_234_000_000, EN) == "1.2 GB"
    assert size(1_234_000_000, ES) == "1,2 GB"
    assert span(4 * 86400, ES) == "4 días"


def test_a_moment_can_be_read_by_browsers_and_by_people() -> None:
    assert moment(1_790_000_000) == (
        '<time datetime="2026-09-21T14:13:20+00:00">2026-09-21 14:13 UTC</time>'
    )
