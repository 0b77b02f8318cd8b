"""Marks every test with its tier, which is its folder, and runs the quick tiers first.

`--hypothesis-profile=thorough` lets property tests look longer.
"""

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from services.runtime.threads import wait_patiently

# Before any test module imports a model library: OpenMP reads its variables when it is loaded.
wait_patiently()

# Who was started in the background ignores interrupts, and so would what the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing on a busy machine.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "thorough", deadline=None, max_examples=50 * settings.get_profile("default").max_examples
)

TIERS = ("unit", "contract", "integration", "e2e", "gpu")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tier = item.path.relative_to(HERE).parts[0]
        if tier not in TIERS:
            raise pytest.UsageError(f"{item.path} is in none of the tiers {', '.join(TIERS)}")
        item.add_marker(tier)
    items.sort(key=lambda item: TIERS.index(item.path.relative_to(HERE).parts[0]))


def pytest_collection_finish() -> None:
    # What the modules hold stays until the end: no collection need look through it again.
    gc.collect()
    gc.freeze()
