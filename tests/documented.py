"""What the documentation shows."""

import re
from pathlib import Path
from typing import Any

import yaml

MODELS_PAGE = Path(__file__).parents[1] / "docs" / "models.md"


def documented_models() -> dict[str, dict[str, Any]]:
    """The model descriptions in docs/models.md, by name."""
    blocks = re.findall(r"```yaml\n(.*?)```", MODELS_PAGE.read_text("utf-8"), re.DOTALL)
    parsed = map(yaml.safe_load, blocks)
    return {described["name"]: described for described in parsed if "capability" in described}
