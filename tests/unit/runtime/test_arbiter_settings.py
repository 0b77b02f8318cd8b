"""What the arbiter can be told, and what it refuses."""

import pytest
from pydantic import ValidationError

from services.arbiter.settings import ArbiterSettings


def test_budgets_are_read_by_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORFEON_ARBITER_BUDGETS", '{"cpu": 2000000000, "cuda:0": 20000000000}')
    assert ArbiterSettings().budgets == {"cpu": 2_000_000_000, "cuda:0": 20_000_000_000}


@pytest.mark.parametrize("budgets", ['{"gpu": 1}', '{"cuda": 1}', '{"cpu": 0}', '{"cpu": -1}'])
def test_budgets_of_devices_that_cannot_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, budgets: str
) -> None:
    monkeypatch.setenv("ORFEON_ARBITER_BUDGETS", budgets)
    with pytest.raises(ValidationError):
        ArbiterSettings()
