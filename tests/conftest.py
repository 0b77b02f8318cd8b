"""Marks every test with its tier, which is its folder, and runs the quick tiers first."""

from pathlib import Path

import pytest

from services.runtime.threads import wait_patiently

# Before any test module imports a model library: OpenMP reads its variables when it is loaded.
wait_patiently()

TIERS = ("unit", "contract", "integration", "e2e", "gpu")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tier = item.path.relative_to(HERE).parts[0]
        if tier not in TIERS:
            raise pytest.UsageError(f"{item.path} is in none of the tiers {', '.join(TIERS)}")
        item.add_marker(tier)
    items.sort(key=lambda item: TIERS.index(item.path.relative_to(HERE).parts[0]))
