"""A band is data, and wrong data is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.melody.band import Band
from services.melody.composition import PARTS

TRIO: dict[str, Any] = {
    "lead": {"program": 73, "gain_db": -2, "pan": 0.1},
    "chords": {"program": 0},
    "bass": {"program": 32},
}


def test_each_part_has_its_instrument() -> None:
    band = Band.model_validate(TRIO | {"drums": {"program": 40}})
    assert [band.instrument(part).program for part in PARTS] == [73, 0, 32, 40]
    assert (band.lead.gain_db, band.lead.pan) == (-2, 0.1)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("lead", {"program": 128}), ("lead", {"program": 0, "pan": 1.5}), ("lead", {}),
        ("bass", {"program": 0, "gain_db": 40}), ("chords", {"program": 0, "style": "strum"}),
        ("drums", {"program": 3}), ("horns", {"program": 60}),
    ],
)  # fmt: skip
def test_what_no_band_can_be_is_refused(part: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Band.model_validate(TRIO | {part: wrong})
