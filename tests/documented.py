"""What the documentation shows."""

import re
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[1] / "docs"


def documented_models() -> dict[str, dict[str, Any]]:
    """The model descriptions in docs/, by name."""
    pages = (page.read_text("utf-8") for page in sorted(DOCS.glob("*.md")))
    blocks = [block for page in pages for block in re.findall(r"```yaml\n(.*?)```", page, re.S)]
    parsed = map(yaml.safe_load, blocks)
    return {described["name"]: described for described in parsed if "capability" in described}
