"""The model descriptions in the documentation are such as the registry reads."""

from typing import Any

import pytest

from services.runtime.manifest import Manifest
from tests.documented import documented_models

DESCRIBED = documented_models()


def test_there_are_descriptions() -> None:
    expected = {
        "smolvlm-256m-instruct",
        "llava-1.5-7b",
        "musicgen-small",
        "sdxl-turbo",
        "wav2vec2-superb-emotion",
    }
    assert expected <= DESCRIBED.keys()


@pytest.mark.parametrize("described", DESCRIBED.values(), ids=DESCRIBED.keys())
def test_a_documented_model_is_one_that_can_be_read(described: dict[str, Any]) -> None:
    Manifest.model_validate(described)
