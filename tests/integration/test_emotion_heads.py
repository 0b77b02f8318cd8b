"""The engines of heads: the encoder's graph against CTranslate2, and files that cannot be used."""

import shutil
from collections.abc import Callable
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from services.emotion.__main__ import EMOTION
from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel
from services.emotion.head import Head
from services.emotion.head_model import HEAD
from services.emotion.mel_head_engine import MelHeadEngine
from services.emotion.settings import EmotionSettings
from services.emotion.whisper_head_engine import GRAPH, WEIGHTS, WhisperHeadEngine
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.worker import Cancellation
from tests.integration.voices import synthetic
from tests.placed import on_cpu

HEADS = sorted(path.parent.name for path in EMOTION.models.glob("*/head.npz"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("home"), [EMOTION.models], EMOTION.name)


def load(manifest: Manifest, folder: Path) -> EmotionModel:
    engine = EMOTION.engines[manifest.engine](EmotionSettings())
    return engine.load(manifest, folder, on_cpu(manifest))  # type: ignore[return-value]


@pytest.mark.parametrize("name", HEADS)
def test_every_shipped_head_tells_its_labels(registry: Registry, name: str) -> None:
    manifest = registry.get(name)
    model = load(manifest, registry.folder(manifest))
    scores = model.classify(Clip(synthetic()), Cancellation())
    assert {each.label for each in scores} == set(manifest.labels)
    assert sum(each.score for each in scores) == pytest.approx(1, abs=1e-5)
    model.close()


def test_inner_layers_lead_to_what_ctranslate2_computes(registry: Registry, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra `train`")
    from services.emotion.encoder_graph import graph, variables

    manifest = registry.get("emotion-whisper-tiny")
    weights = registry.folder(manifest) / WEIGHTS
    (tmp_path / WEIGHTS).symlink_to(weights.resolve())
    (tmp_path / GRAPH).write_bytes(graph(weights, [4]).SerializeToString())
    window = synthetic()
    vector = WhisperHeadEngine(device="cpu", threads=1).encoder(tmp_path, on_cpu(manifest))
    mean_before = vector.features(window)[:384]

    # CTranslate2 gives the last layer normalised; the mean over time of ours is compared with what
    # its normalised channels say: each is gamma times standard score plus beta.
    mel = np.ascontiguousarray(FeatureExtractor()(window, padding=0), np.float32)[np.newaxis]
    package = Path(str(weights.resolve())).parent
    whisper = ctranslate2.models.Whisper(str(package), compute_type="float32")
    view = ctranslate2.StorageView.from_array(mel)
    expected = np.asarray(whisper.encode(view, to_cpu=True))[0]

    def read(name: str) -> np.ndarray:
        place = variables(weights)[f"encoder/layer_norm/{name}"]
        with weights.open("rb") as file:
            return np.fromfile(file, np.float16, 384, offset=place.offset).astype(np.float32)

    layer = _last_layer(tmp_path, mel)
    normal = (layer - layer.mean(axis=1, keepdims=True)) / layer.std(axis=1, keepdims=True)
    np.testing.assert_allclose(normal * read("gamma") + read("beta"), expected, atol=2e-3)
    np.testing.assert_allclose(layer.mean(axis=0), mean_before, rtol=1e-3, atol=1e-4)


def _last_layer(folder: Path, mel: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    weights = (folder / WEIGHTS).read_bytes()
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
    session = onnxruntime.InferenceSession(
        (folder / GRAPH).read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"mel": mel})[0])


def test_both_models_of_whisper_have_the_same_graph() -> None:
    graphs = [path.read_bytes() for path in EMOTION.models.glob(f"emotion-*/{GRAPH}")]
    assert len(graphs) == 2
    assert len(set(graphs)) == 1


def halved(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def emptied(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"")


@pytest.mark.parametrize("broken", [halved, emptied])
@pytest.mark.parametrize("name", [HEAD, GRAPH, WEIGHTS])
def test_a_damaged_file_is_refused_by_its_name(
    registry: Registry, tmp_path: Path, name: str, broken: Callable[[Path], None]
) -> None:
    manifest = registry.get("emotion-whisper-tiny")
    folder = copied(registry, manifest, tmp_path)
    broken(folder / name)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        load(manifest, folder)


def test_other_labels_than_those_of_the_manifest_are_refused(
    registry: Registry, tmp_path: Path
) -> None:
    manifest = registry.get("emotion-mel")
    other = manifest.model_copy(update={"labels": [*manifest.labels[1:], "bored"]})
    with pytest.raises(ValueError, match=r"emotion-mel: model\.yaml names .* bored"):
        load(other, registry.folder(manifest))


def test_a_head_of_another_encoder_is_refused(registry: Registry, tmp_path: Path) -> None:
    manifest = registry.get("emotion-whisper-tiny")
    folder = copied(registry, manifest, tmp_path)
    (folder / HEAD).unlink()
    shutil.copyfile(registry.folder(registry.get("emotion-mel")) / HEAD, folder / HEAD)
    with pytest.raises(ValueError, match=r"reads timbre:140 prosody:37, but its encoder gives"):
        load(manifest, folder)


def test_the_fallback_is_one_matrix_and_needs_no_file_but_its_head(registry: Registry) -> None:
    manifest = registry.get("emotion-mel")
    head = Head.load(registry.folder(manifest) / HEAD)
    encoder = MelHeadEngine().encoder(Path(), on_cpu(manifest))
    assert encoder.features(synthetic(1.0)[:SAMPLE_RATE]).shape == head.mean.shape == (177,)


def copied(registry: Registry, manifest: Manifest, tmp_path: Path) -> Path:
    """The model's files, to be broken; links stay links."""
    return Path(shutil.copytree(registry.folder(manifest), tmp_path / "model", symlinks=True))
