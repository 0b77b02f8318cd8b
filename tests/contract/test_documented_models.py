"""The model descriptions in the documentation are such as the registry reads."""

import re
from pathlib import Path

import pytest
import yaml

from services.runtime.manifest import Manifest

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
DESCRIBED = [
    described
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    if "capability" in (described := yaml.safe_load(block))
]


def test_there_are_descriptions() -> None:
    names = [described["name"] for described in DESCRIBED]
    assert {"smolvlm-256m-instruct", "llava-1.5-7b"} <= set(names)


@pytest.mark.parametrize("described", DESCRIBED, ids=lambda described: described["name"])
def test_a_documented_model_is_one_that_can_be_read(described: dict[str, object]) -> None:
    Manifest.model_validate(described)
