from pathlib import Path

import numpy as np
import pytest

from services.emotion.__main__ import EMOTION
from services.emotion.engine import Clip, ranked
from services.emotion.fake_engine import FakeEmotionModel
from services.emotion.head import Head
from services.runtime.errors import InvalidAudio
from services.runtime.manifest import read_manifest
from services.runtime.worker import Cancellation


def test_a_clip_without_samples_cannot_be() -> None:
    with pytest.raises(InvalidAudio):
        Clip(np.zeros(0, np.float32))


def test_labels_are_ranked_best_first() -> None:
    order = ranked(["a", "b", "c"], np.array([0.2, 0.5, 0.3], np.float32))
    assert [each.label for each in order] == ["b", "c", "a"]


@pytest.mark.parametrize(("level", "label"), [(0.0, "a"), (0.5, "b"), (1.0, "c"), (7.0, "c")])
def test_the_fake_answers_by_loudness(level: float, label: str) -> None:
    model = FakeEmotionModel(["a", "b", "c"])
    scores = model.classify(Clip(np.full(10, level, np.float32)), Cancellation())
    assert scores[0].label == label
    assert sum(each.score for each in scores) == pytest.approx(1)


HEADS = [path.parent for path in EMOTION.models.glob("*/head.npz")]


@pytest.mark.parametrize("folder", HEADS, ids=lambda path: path.name)
def test_the_shipped_heads_are_small_and_have_the_labels_of_their_manifests(folder: Path) -> None:
    manifest = read_manifest(folder / "model.yaml")
    head = Head.load(folder / "head.npz")
    assert head.labels == manifest.labels
    assert manifest.engine in EMOTION.engines
    assert (folder / "head.npz").stat().st_size < 2_000_000
    assert manifest.commercial_use is False
    assert "RAVDESS" in manifest.provenance
    assert (folder / "README.md").is_file()


def test_what_answers_in_a_hurry_has_the_labels_of_the_model_that_it_stands_in_for() -> None:
    manifests = {path.name: read_manifest(path / "model.yaml") for path in HEADS}
    hurried = {name: each for name, each in manifests.items() if "fallback" in each.options}
    assert hurried
    for manifest in hurried.values():
        assert manifests[manifest.options["fallback"]].labels == manifest.labels
