import pytest

pytest.importorskip("onnx", reason="needs the extra `train`")
pytest.importorskip("sklearn", reason="needs the extra `train`")

from services.emotion.__main__ import EMOTION
from services.emotion.corpora import CORPORA
from services.emotion.training.ship import SHIPPED
from services.runtime.manifest import read_manifest


def test_every_head_that_comes_with_us_is_trained_and_for_the_labels_of_its_manifest() -> None:
    trained = {each.name: each for models in SHIPPED.values() for each in models}
    heads = {path.parent.name for path in EMOTION.models.glob("*/head.npz")}
    assert set(trained) == heads
    for name, each in trained.items():
        manifest = read_manifest(EMOTION.models / name / "model.yaml")
        assert manifest.labels == list(each.labels)
        named = {key for key, corpus in CORPORA.items() if corpus.title in manifest.provenance}
        assert named == set(each.corpora)
