"""Genres are data."""

from typing import Any

import pytest

from services.melody.genre import profiles_of
from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest
from tests.unit.melody.composing import BAND

POP = {"tempo": [100, 130], "drums": "pop", "comping": {"hits": [[0, 4]]}, "band": BAND}


def manifest(genres: dict[str, Any]) -> Manifest:
    return Manifest(
        name="band", capability="melody", engine="symbolic", tasks=["music"], owned_by="orfeon",
        licence="Apache-2.0", memory_bytes=1, files={}, options={"genres": genres},
    )  # fmt: skip


def test_the_first_is_the_default() -> None:
    assert list(profiles_of(manifest({"rock": POP, "pop": POP}))) == ["rock", "pop"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tempo": [130, 100]}, "pop.tempo"),
        ({"drums": "spoons"}, "pop.drums"),
        ({"controls": {"Loudness": 1}}, "pop.controls"),
        ({"controls": {"Density": 9}}, "pop.controls"),
        ({"comping": {"hits": []}}, "pop.comping.hits"),
        ({"colour": "blue"}, "pop.colour"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ModelLoadFailed, match=field):
        profiles_of(manifest({"pop": POP | change}))


def test_a_model_without_genres_is_refused() -> None:
    with pytest.raises(ModelLoadFailed, match="genres"):
        profiles_of(manifest({}))
