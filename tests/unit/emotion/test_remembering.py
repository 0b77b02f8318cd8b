"""What was heard once is not heard again."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import Samples
from services.emotion.evaluation.remembering import Remembering


class Counting:
    """An encoder that counts what it hears."""

    reads = "length:1"

    def __init__(self) -> None:
        self.heard = 0

    def features(self, window: Samples) -> NDArray[np.float32]:
        self.heard += 1
        return np.array([window.size], np.float32)


def test_a_window_is_heard_once_and_known_in_the_next_run(tmp_path: Path) -> None:
    first, path = Counting(), tmp_path / "cache" / "windows.npz"
    remembering = Remembering(first, path)
    assert remembering.reads == "length:1"
    short, long = np.zeros(2, np.float32), np.zeros(3, np.float32)
    assert [remembering.features(window)[0] for window in (short, long, short)] == [2, 3, 2]
    assert first.heard == 2
    remembering.save()

    second = Counting()
    remembering = Remembering(second, path)
    assert remembering.features(long)[0] == 3
    assert second.heard == 0
    assert remembering.features(np.ones(3, np.float32))[0] == 3
    assert second.heard == 1
    remembering.save()
    assert [each.name for each in path.parent.iterdir()] == ["windows.npz"]


def test_what_nobody_heard_is_not_written(tmp_path: Path) -> None:
    Remembering(Counting(), tmp_path / "windows.npz").save()
    assert list(tmp_path.iterdir()) == []
