"""Windows that go on from one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.melody.musicgen.windows import Reach, Window


def test_what_fits_is_one_window() -> None:
    assert list(Reach(1500, 1000).windows(1500)) == [Window(0, 0, 1500)]


def test_longer_pieces_go_on_from_the_last_twenty_seconds() -> None:
    assert list(Reach(1500, 1000).windows(2250)) == [
        Window(0, 0, 1500), Window(500, 1500, 2000), Window(1000, 2000, 2250),
    ]  # fmt: skip


@given(st.integers(1, 5000), st.integers(2, 1500), st.data())
def test_windows_write_every_frame_once(frames: int, size: int, data: st.DataObject) -> None:
    reach = Reach(size, data.draw(st.integers(1, size - 1)))
    windows = list(reach.windows(frames))
    written = [frame for window in windows for frame in range(window.new, window.end)]
    assert written == list(range(frames))
    assert all(window.end - window.begin <= size for window in windows)
    assert all(window.new - window.begin == reach.overlap for window in windows[1:])
    assert reach.steps(frames, 3) == frames + 3 * len(windows)


@pytest.mark.parametrize(("size", "overlap"), [(10, 10), (10, 11), (10, 0), (10, -1)])
def test_windows_must_move_on(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        Reach(size, overlap)
