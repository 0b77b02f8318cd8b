"""Classifiers of transformers, exported as ONNX, in a real Triton server: the answers of torch."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from orfeon.cli.exporting import export, name_of
from orfeon.fault import Fault
from orfeon.serve.triton import REPOSITORY
from services.emotion.__main__ import EMOTION, triton, wav2vec2
from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel, Samples
from services.emotion.export.__main__ import export as write_onnx
from services.emotion.settings import EmotionSettings
from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.triton.repository import copy_template
from services.runtime.worker import Cancellation
from tests.integration.training import train
from tests.integration.triton_server import running_triton
from tests.placed import on_cpu
from tests.tiny_classifiers import manifest_of, tiny_classifier
from tests.tones import recorded_tones, tone

#: Kinds of networks, and whether they have masks.
NETWORKS = [("wav2vec2", True), ("wav2vec2", False), ("hubert", True), ("wavlm", True)]


@dataclasses.dataclass
class World:
    """A server, models that it has, and the same ones here."""

    home: Path
    repository: Path
    url: str
    registry: Registry
    settings: EmotionSettings

    def manifest(self, kind: str, masks: bool) -> Manifest:
        return self.registry.get(model_name(kind, masks))

    def here(self, manifest: Manifest) -> EmotionModel:
        folder = self.registry.folder(manifest)
        return wav2vec2(self.settings).load(manifest, folder, on_cpu(manifest))

    def there(self, manifest: Manifest) -> EmotionModel:
        return triton(self.settings).load(manifest, Path(), on_cpu(manifest))


def model_name(kind: str, masks: bool) -> str:
    return f"tiny-{kind}-{'masked' if masks else 'bare'}"


def save(home: Path, kind: str, masks: bool) -> None:
    """A checkpoint among the models of a home."""
    name = model_name(kind, masks)
    folder = home / "models" / name
    folder.mkdir(parents=True)
    tiny_classifier(folder, kind, masks=masks)
    options = {"triton_model": f"emotion_tiny_{kind}_{masks}".lower(), "temperature": 1.5}
    said = manifest_of(folder, options=options).model_dump(mode="json", exclude_defaults=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(said | {"name": name}), "utf-8")


def put(home: Path, repository: Path, kind: str, masks: bool) -> None:
    """Exports a model as the command does."""
    registry = Registry(home, [EMOTION.models])
    manifest = registry.get(model_name(kind, masks))
    export(
        registry, home, manifest, name_of(manifest),
        repository=REPOSITORY, to=repository, replace=False,
    )  # fmt: skip


def put_quickly(home: Path, repository: Path, manifest: Manifest) -> None:
    """Exports a model without a process that imports torch once more."""
    name = manifest.name
    folder = repository / name_of(manifest)
    (folder / "1").mkdir(parents=True)
    told = write_onnx(name, folder / "1", EmotionSettings(ORFEON_HOME=home))
    parameters = told["parameters"] | {"model": name}
    copy_template(REPOSITORY / "emotion_wav2vec2", folder, folder.name, parameters, told["dims"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tmp_path = tmp_path_factory.mktemp("networks")
    home, repository = tmp_path / "home", tmp_path / "repository"
    for kind, masks in NETWORKS:
        save(home, kind, masks)
    first, *others = NETWORKS
    put(home, repository, *first)
    registry = Registry(home, [EMOTION.models])
    for network in others:
        put_quickly(home, repository, registry.get(model_name(*network)))
    with running_triton(tmp_path, {"ORFEON_HOME": str(home)}, repository) as url:
        settings = EmotionSettings(ORFEON_HOME=home, triton_url=url)
        yield World(home, repository, url, Registry(home, [EMOTION.models]), settings)


def noise(seconds: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.normal(0.01, 0.05 * (1 + seed % 3), round(seconds * SAMPLE_RATE)).astype(np.float32)


def scores(model: EmotionModel, samples: Samples) -> dict[str, float]:
    answer = model.classify(Clip(samples, timeout=30), Cancellation())
    return {each.label: each.score for each in answer}


@pytest.mark.parametrize(("kind", "masks"), NETWORKS)
def test_the_server_says_what_torch_says_whatever_shares_a_batch(
    world: World, kind: str, masks: bool
) -> None:
    manifest = world.manifest(kind, masks)
    here, there = world.here(manifest), world.there(manifest)
    lengths = [0.01, 0.5, 0.91, 1.0, 1.37, 1.999, 2.0, 2.0, 2.0, 3.0, 3.0, 2.6, 8.0, 9.5, 20.0]
    clips = [noise(seconds, seed) for seed, seconds in enumerate(lengths)]
    with ThreadPoolExecutor(len(clips)) as pool:
        found = list(pool.map(lambda clip: scores(there, clip), clips))
    for answer, clip in zip(found, clips, strict=True):
        assert answer == pytest.approx(scores(here, clip), abs=1e-3)
    assert len({tuple(answer.values()) for answer in found}) == len(clips)
    there.close()


def test_a_classifier_of_ones_own_is_trained_exported_and_served(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORFEON_HOME", str(world.home))
    data = recorded_tones(tmp_path / "tones")
    base = tiny_classifier(tmp_path / "base", labels=("yes", "no"))
    folder = world.home / "models" / "own"
    code = train(
        "--data", data, "--base", base, "--output", folder, "--classifies", "pitch", "--no-speech",
        "--seconds", "0.5", "--batch", "4", "--accumulation", "1", "--epochs", "1",
    )  # fmt: skip
    assert code == 0
    manifest = world.registry.get("own")
    put_quickly(world.home, world.repository, manifest)
    assert name_of(manifest) == "emotion_own"
    served = manifest.model_copy(
        update={"options": manifest.options | {"triton_model": "emotion_own"}}
    )
    there, here = world.there(served), world.here(manifest)
    for clip in [noise(1), tone(300, 0.7, 1)]:
        assert scores(there, clip) == pytest.approx(scores(here, clip), abs=1e-3)
    there.close()


def test_unequal_clips_share_a_batch_where_the_network_has_a_mask(world: World) -> None:
    manifest = world.manifest("wav2vec2", True)
    there = world.there(manifest)
    clips = [noise(2 + at / 32, at) for at in range(1, 32)]
    with ThreadPoolExecutor(len(clips)) as pool:
        list(pool.map(lambda clip: scores(there, clip), clips))
    with InferenceServerClient(world.url) as client:
        [statistics] = client.get_inference_statistics(name_of(manifest)).model_stats
    assert statistics.execution_count < statistics.inference_count
    there.close()


def test_silence_and_short_clips_never_reach_the_network_as_nothing(world: World) -> None:
    manifest = world.manifest("wavlm", True)
    there = world.there(manifest)
    found = scores(there, np.zeros(8000, np.float32))
    assert list(found.values()) == pytest.approx([1 / 3] * 3)
    there.close()


@pytest.mark.parametrize(("samples", "length"), [(0, 0), (10, 10), (16000, -5), (16000, 10**9)])
def test_nonsense_sent_past_the_service_fails_alone(
    world: World, samples: int, length: int
) -> None:
    manifest = world.manifest("wav2vec2", True)
    there = world.there(manifest)
    audio = InferInput("AUDIO", [1, samples], "FP32")
    audio.set_data_from_numpy(np.ones((1, samples), np.float32))
    sounds = InferInput("LENGTH", [1, 1], "INT64")
    sounds.set_data_from_numpy(np.array([[length]], np.int64))
    with InferenceServerClient(world.url) as client:
        # A cache of the server's would answer the second with nothing, as a success.
        for _ in range(2):
            try:
                answer = client.infer(name_of(manifest), [audio, sounds])
            except InferenceServerException:
                assert samples < 16000
            else:
                assert np.isfinite(answer.as_numpy("LOGITS")).all()
    assert sum(scores(there, noise(1)).values()) == pytest.approx(1, abs=1e-5)
    there.close()


def test_a_server_model_of_other_labels_is_refused(world: World) -> None:
    manifest = world.manifest("wav2vec2", True)
    named = manifest.model_copy(update={"labels": ["low", "middle", "shrill"]})
    with pytest.raises(ModelLoadFailed, match="tells low, middle, high"):
        world.there(named)
    fewer = manifest.model_copy(update={"labels": ["low", "middle"]})
    with pytest.raises(ModelLoadFailed, match="LOGITS"):
        world.there(fewer)


def test_a_repository_without_the_file_says_which_command_makes_it(world: World) -> None:
    name = "emotion_without_file"
    copy_template(
        REPOSITORY / "emotion_wav2vec2", world.repository / name, name,
        {"labels": json.dumps(["low", "middle", "high"])}, {"LOGITS": [3]},
    )  # fmt: skip
    manifest = world.manifest("wav2vec2", True)
    manifest = manifest.model_copy(update={"options": {"triton_model": name}})
    with pytest.raises(ModelLoadFailed):
        world.there(manifest)


def test_a_folder_that_is_there_is_replaced_only_when_told_to(world: World) -> None:
    manifest = world.manifest("wav2vec2", False)
    folder = world.repository / name_of(manifest)
    before = (folder / "1" / "model.onnx").stat().st_mtime_ns
    with pytest.raises(Fault, match="--replace"):
        put(world.home, world.repository, "wav2vec2", False)
    assert (folder / "1" / "model.onnx").stat().st_mtime_ns == before


def test_what_cannot_be_exported_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    save(home, "whisper", True)
    with pytest.raises(Fault, match="reason above"):
        put(home, repository, "whisper", True)
    assert list(repository.iterdir()) == []


@pytest.mark.parametrize("name", ["../elsewhere", "", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(world: World, tmp_path: Path, name: str) -> None:
    manifest = world.manifest("wav2vec2", True)
    with pytest.raises(Fault, match="is no name"):
        export(
            world.registry, world.home, manifest, name,
            repository=REPOSITORY, to=tmp_path, replace=False,
        )  # fmt: skip
    assert list(itertools.chain(tmp_path.iterdir(), tmp_path.parent.glob("elsewhere"))) == []
