"""`triton-repo/` with tiny weights for those of its models that a hub has."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orfeon.serve.triton import REPOSITORY
from services.emotion.export.__main__ import export
from services.emotion.settings import EmotionSettings
from tests.tiny_bark import bark_manifest, tiny_bark
from tests.tiny_classifiers import manifest_of as classifier_manifest
from tests.tiny_classifiers import tiny_classifier
from tests.tiny_musicgen import installed_musicgen
from tests.tiny_sdxl import installed_sdxl


def tiny_repository(folder: Path) -> tuple[Path, Path]:
    """Copies of all models below `folder`: the ORFEON_HOME of their weights, and the repository."""
    home, repository = folder / "home", folder / "models"
    shutil.copytree(REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    _export_classifier(home, repository)
    installed_sdxl(home, "sdxl-turbo", triton_model="images_sdxl_turbo")
    installed_musicgen(home, "musicgen-small", triton_model="melody_musicgen")
    bark = bark_manifest(tiny_bark(folder / "bark"), triton_model="speech_bark")
    _describe(home, "bark-small", bark.model_dump(mode="json", exclude_defaults=True))
    return home, repository


def config_of(name: str) -> model_config_pb2.ModelConfig:
    """What the repository says of a model."""
    written = (REPOSITORY / name / "config.pbtxt").read_text("utf-8")
    return text_format.Parse(written, model_config_pb2.ModelConfig())


def _export_classifier(home: Path, repository: Path) -> None:
    """Puts the network in place that is not in the repository, with labels as configured."""
    labels = tuple(json.loads(config_of("emotion_wav2vec2").parameters["labels"].string_value))
    name = "emotion-wav2vec2"
    folder = tiny_classifier(home / name, labels=labels)
    options = {"triton_model": "emotion_wav2vec2", "speech": False}
    manifest = classifier_manifest(folder, labels, options)
    _describe(home, name, manifest.model_dump(mode="json", exclude_defaults=True))
    version = repository / "emotion_wav2vec2" / "1"
    version.mkdir()
    export(name, version, EmotionSettings(ORFEON_HOME=home))


def _describe(home: Path, name: str, fields: dict[str, Any]) -> None:
    path = home / "models" / name / "model.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(fields | {"name": name}))
