"""What the default models take, and that it comes back."""

from pathlib import Path

import pytest

from services.runtime.reclaim import NOISE
from tests.integration.unloading import rounds


@pytest.mark.parametrize(
    "task", ["chat", "text", "speech", "transcription", "classification", "music"]
)
def test_the_memory_of_an_unloaded_model_comes_back(task: str, tmp_path: Path) -> None:
    # The first round also loads the library and what else stays.
    first, *rest = rounds(task, tmp_path, 3)
    assert [each.unreturned for each in (first, *rest)] == [0, 0, 0]
    for each in rest:
        took = each.used - each.before
        assert each.declared / 3 < took < each.declared
        assert each.used - each.after > 0.9 * took
    assert rest[-1].after - first.after < NOISE
