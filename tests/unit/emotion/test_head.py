from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.emotion.head import Head


def head(weight: float = 1.0) -> Head:
    return Head(
        ["calm", "wild"],
        mean=np.array([1, 2, 3], np.float32),
        scale=np.array([1, 2, 1], np.float32),
        weight=np.array([[0, 0, 0], [weight, 0, 0]], np.float32),
        bias=np.array([0, 0], np.float32),
        reads="three numbers",
    )


def test_it_is_softmax_of_standardised_features() -> None:
    scores = head().probabilities(np.array([[1, 9, 9], [2, 0, 0]], np.float32))
    np.testing.assert_allclose(scores, [[0.5, 0.5], [0.2689, 0.7311]], atol=1e-4)


def test_a_higher_temperature_is_less_sure_of_the_same() -> None:
    scores = replace(head(), temperature=2.0).probabilities(np.array([3, 0, 0], np.float32))
    np.testing.assert_allclose(scores, [0.2689, 0.7311], atol=1e-4)


def test_huge_features_overflow_nothing() -> None:
    scores = head(1e6).probabilities(np.array([1e6, 0, 0], np.float32))
    np.testing.assert_allclose(scores, [0, 1])


def test_what_is_saved_is_read_back_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    replace(head(), temperature=1.5).save(path)
    again = Head.load(path)
    assert again.labels == ["calm", "wild"]
    assert (again.temperature, again.reads) == (1.5, "three numbers")
    features = np.array([3, 1, 2], np.float32)
    np.testing.assert_array_equal(
        again.probabilities(features), replace(head(), temperature=1.5).probabilities(features)
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"labels": ["calm", "wild", "third"]}, "do not fit"),
        ({"labels": ["calm", "calm"]}, "labels"),
        ({"bias": np.array([0, np.nan], np.float32)}, "finite"),
        ({"scale": np.array([1, 0, 1], np.float32)}, "above 0"),
        ({"temperature": 0.0}, "above 0"),
    ],
)
def test_what_cannot_be_used_is_refused(change: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        replace(head(), **change)  # type: ignore[arg-type]


def test_a_file_that_is_damaged_or_something_else_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    head().save(path)
    whole = path.read_bytes()
    with np.load(path) as arrays:
        parts = dict(arrays)
    other = tmp_path / "other.npz"
    for part in ("format", "weight", "temperature"):
        np.savez(other, **{name: array for name, array in parts.items() if name != part})
        with pytest.raises(ValueError, match=r"other\.npz is no head"):
            Head.load(other)
    np.savez(other, **(parts | {"mean": parts["mean"][:2]}))
    with pytest.raises(ValueError, match=r"other\.npz.*do not fit"):
        Head.load(other)
    flipped = bytearray(whole)
    flipped[whole.index(b"weight.npy") + 150] ^= 255
    for content in (b"", b"no archive", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"head\.npz is no head"):
            Head.load(path)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    head().save(path)
    with np.load(path) as arrays:
        parts = dict(arrays)
    np.savez(path, **(parts | {"labels": np.array([{"a": 1}], dtype=object)}))
    with pytest.raises(ValueError, match=r"head\.npz is no head"):
        Head.load(path)


def test_it_fits_one_set_of_labels_and_one_encoder() -> None:
    assert head().fit_for("m", ["calm", "wild"], "three numbers").labels == ["calm", "wild"]
    with pytest.raises(ValueError, match=r"m: model\.yaml names the labels wild, calm"):
        head().fit_for("m", ["wild", "calm"], "three numbers")
    with pytest.raises(ValueError, match="reads three numbers, but its encoder gives four"):
        head().fit_for("m", ["calm", "wild"], "four")
