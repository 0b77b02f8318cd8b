"""The models that docs/musicgen.md describes are such as the registry reads."""

import re
from pathlib import Path

import pytest
import yaml

from services.runtime.manifest import Manifest

PAGE = Path(__file__).parents[3] / "docs" / "musicgen.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_each_engine_has_an_example() -> None:
    assert {yaml.safe_load(block)["engine"] for block in BLOCKS} == {"musicgen", "audiocraft"}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_documented_model_is_one_that_can_be_read(block: str) -> None:
    Manifest.model_validate(yaml.safe_load(block))
