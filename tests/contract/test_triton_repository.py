"""What every model of triton-repo/ promises, and that it is a model of ours."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from services.runtime.manifest import Manifest, read_manifest
from tests.documented import documented_models

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "triton-repo").glob("*/config.pbtxt"))


def config_of(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())


def manifests() -> list[Manifest]:
    """Those that ship, and those that the documentation shows how to make."""
    shipped = [read_manifest(path) for path in ROOT.glob("services/*/models/*/model.yaml")]
    return shipped + [Manifest.model_validate(each) for each in documented_models().values()]


def test_there_are_models_to_check() -> None:
    names = {path.parent.name for path in CONFIGS}
    assert {"emotion_whisper", "speech_whisper", "speech_bark"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_queues_are_bounded_and_priorities_are_ours(path: Path) -> None:
    config = config_of(path)
    batching = config.dynamic_batching
    assert config.name == path.parent.name
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    assert all(policy.max_queue_size > 0 for policy in policies)
    assert all(policy.allow_timeout_override for policy in policies)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_a_configuration_leaves_nothing_to_auto_completion(path: Path) -> None:
    config = config_of(path)
    assert config.backend
    assert config.max_batch_size > 0
    for tensor in (*config.input, *config.output):
        assert tensor.name
        assert tensor.data_type != model_config_pb2.TYPE_INVALID
        assert tensor.dims


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_configuration_and_manifest_name_one_another(path: Path) -> None:
    config = config_of(path)
    named = config.parameters["model"].string_value
    [manifest] = [each for each in manifests() if each.name == named]
    assert manifest.options["triton_model"] == config.name
    assert config.name.startswith(f"{manifest.capability}_")
