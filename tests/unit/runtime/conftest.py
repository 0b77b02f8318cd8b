import gc
from collections.abc import Iterator

import pytest

from tests.fakes.virtual import UNSEEN


@pytest.fixture
def nothing_unseen() -> Iterator[None]:
    """What nobody asked a task for is told only when the task is collected."""
    UNSEEN.clear()
    yield
    gc.collect()
    assert not any(UNSEEN)
