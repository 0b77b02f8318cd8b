"""Models that the benchmark of Triton needs besides those that are shipped."""

from pathlib import Path

import torch
import transformers
import yaml

from bench.wav2vec2 import LABELS, config_of
from orfeon.cli.exporting import export
from orfeon.serve.triton import REPOSITORY
from services.emotion.__main__ import EMOTION
from services.runtime.manifest import LocalSource, Manifest
from services.runtime.registry import Registry

#: Largest batches, and microseconds that they wait to be filled.
BATCHES, DELAYS = (1, 2, 4, 8, 16), (0, 2_000, 10_000)

_DEAF = """
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        answer = (
            pb.Tensor("LABELS", np.array([["neutral"]], dtype=np.object_)),
            pb.Tensor("SCORES", np.ones((1, 1), np.float32)),
        )
        return [pb.InferenceResponse(answer) for _ in requests]
"""


def save_for_any_sound(home: Path, manifest: Manifest, name: str) -> None:
    """The same classifier for all that sounds, so that hiss is classified as speech is."""
    shipped = EMOTION.models / manifest.name
    said = manifest.model_dump(mode="json", exclude_defaults=True)
    for file in manifest.files.values():
        for source in file.sources:
            if isinstance(source, LocalSource):
                said["files"][source.local]["sources"] = [{"local": str(shipped / source.local)}]
    said |= {"name": name, "default": False}
    said["options"] = {"speech": False, "triton_model": manifest.options["triton_model"]}
    _write(home, name, said)


def deaf_model(home: Path, repository: Path) -> Manifest:
    """A classifier that answers at once, whatever it is sent."""
    name = "bench-deaf"
    shipped = (REPOSITORY / "emotion_whisper" / "config.pbtxt").read_text("utf-8")
    folder = repository / "bench_deaf"
    (folder / "1").mkdir(parents=True)
    said = shipped.replace('"emotion_whisper"', '"bench_deaf"')
    (folder / "config.pbtxt").write_text(said, "utf-8")
    (folder / "1" / "model.py").write_text(_DEAF, "utf-8")
    _write(home, name, {
        "name": name, "capability": "emotion", "engine": "whisper-head",
        "tasks": ["classification"], "classifies": "nothing", "labels": ["neutral"],
        "owned_by": "bench", "licence": "none", "memory_bytes": 10**6, "files": {},
        "options": {"triton_model": "bench_deaf"},
    })  # fmt: skip
    return Registry(home, [EMOTION.models]).get(name)


def saved_network(home: Path, repository: Path, size: str) -> Manifest:
    """A wav2vec2 of random weights, exported; transformers' own checkpoint beside it."""
    name = f"bench-{size}"
    folder = home / "models" / name
    torch.manual_seed(1)
    network = transformers.Wav2Vec2ForSequenceClassification(config_of(size))
    network.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(
        sampling_rate=16_000, do_normalize=True, return_attention_mask=False
    )
    extractor.save_pretrained(folder)
    _write(home, name, {
        "name": name, "capability": "emotion", "engine": "wav2vec2", "tasks": ["classification"],
        "classifies": "nothing", "labels": [f"LABEL_{at}" for at in range(LABELS)],
        "owned_by": "bench", "licence": "none", "memory_bytes": 10**9,
        "files": {
            path.name: {"sources": [{"local": str(path)}]} for path in folder.glob("*.*")
        },
    })  # fmt: skip
    registry = Registry(home, [EMOTION.models])
    manifest = registry.get(name)
    export(registry, home, manifest, "bench", repository=REPOSITORY, to=repository, replace=True)
    return manifest


def network_variants(repository: Path) -> dict[tuple[int, int], str]:
    """The exported network under a name for each batch and delay."""
    variants = {}
    made = repository / "bench"
    text = (made / "config.pbtxt").read_text("utf-8")
    assert "max_batch_size: 8" in text
    for most in BATCHES:
        # Alone there is nothing to wait for.
        for delay in DELAYS if most > 1 else DELAYS[:1]:
            name = f"bench_{most}_{delay}"
            (repository / name / "1").mkdir(parents=True)
            (repository / name / "1" / "model.onnx").symlink_to(made / "1" / "model.onnx")
            said = text.replace("max_batch_size: 8", f"max_batch_size: {most}")
            said = said.replace("batch_size: 8", f"batch_size: {most}")
            said = said.replace('"bench"', f'"{name}"')
            said = said.replace(
                "dynamic_batching {",
                f"dynamic_batching {{\n  max_queue_delay_microseconds: {delay}",
            )
            (repository / name / "config.pbtxt").write_text(said, "utf-8")
            variants[most, delay] = name
    return variants


def _write(home: Path, name: str, said: dict[str, object]) -> None:
    folder = home / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(said), "utf-8")
