"""What every model of triton-repo/ promises, and that it is a model of ours."""

import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orfeon.capabilities import known_capabilities
from orfeon.serve.triton import MEMORY_UNITS
from services.runtime.manifest import Manifest, read_manifest
from tests.documented import documented_models

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "triton-repo"
CONFIGS = {path.parent.name: path for path in sorted(REPOSITORY.glob("*/config.pbtxt"))}

#: How much of the resource `memory` the models take that may not all fit beside one another.
HEAVY = {"images_sdxl_turbo": 4, "melody_musicgen": 4, "speech_bark": 2}
#: Whose engines warm them when they load, which they do in a service of their own, too.
WARMED_BY_THE_ENGINE = {"images_sdxl_turbo", "speech_bark"}
#: Whose state is a stream's: a part takes about a millisecond, and Triton's batches of sequences
#: know no levels.
SEQUENCES = {"emotion_speech"}
#: Whose model is whatever classifier somebody has trained: 'orfeon models export' fills it in.
FILLED_IN = {"emotion_wav2vec2"}

every = pytest.mark.parametrize("name", CONFIGS)


def config_of(name: str) -> model_config_pb2.ModelConfig:
    return text_format.Parse(CONFIGS[name].read_text("utf-8"), model_config_pb2.ModelConfig())


def manifests() -> list[Manifest]:
    """Those that ship, and those that the documentation shows how to make."""
    shipped = [read_manifest(path) for path in ROOT.glob("services/*/models/*/model.yaml")]
    return shipped + [Manifest.model_validate(each) for each in documented_models().values()]


def test_there_are_models_to_check() -> None:
    assert {
        "emotion_wav2vec2", "emotion_whisper", "images_sdxl_turbo", "melody_musicgen",
        "speech_bark", "speech_whisper",
    } <= CONFIGS.keys()  # fmt: skip
    assert HEAVY.keys() | WARMED_BY_THE_ENGINE | SEQUENCES | FILLED_IN <= CONFIGS.keys()


@every
def test_a_folder_is_named_by_capability_and_role(name: str) -> None:
    capability, _, role = name.partition("_")
    assert capability in known_capabilities()
    assert re.fullmatch(r"[a-z][a-z0-9_]*", role)
    assert config_of(name).name == name


@every
def test_its_first_version_is_there(name: str) -> None:
    config = config_of(name)
    versions = {path.name for path in CONFIGS[name].parent.iterdir() if path.name.isdigit()}
    if config.backend == "python":
        assert versions == {"1"}
        assert (CONFIGS[name].parent / "1" / "model.py").is_file()
    else:
        # A network is no text: 'orfeon models export' makes it, and its folder.
        assert versions <= {"1"}


@every
def test_queues_are_bounded_and_priorities_are_ours(name: str) -> None:
    batching = config_of(name).dynamic_batching
    if name in SEQUENCES:
        sequences = config_of(name).sequence_batching
        assert sequences.max_sequence_idle_microseconds > 0
        assert sequences.oldest.max_candidate_sequences > 0
        return
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    assert all(policy.max_queue_size > 0 for policy in policies)
    assert all(policy.allow_timeout_override for policy in policies)
    assert all(policy.timeout_action == policy.REJECT for policy in policies)


@every
def test_a_configuration_leaves_nothing_to_auto_completion(name: str) -> None:
    config = config_of(name)
    assert config.backend in ("python", "onnxruntime")
    assert config.max_batch_size > 0
    assert config.input
    assert config.output
    for tensor in (*config.input, *config.output):
        assert tensor.name == tensor.name.upper()
        assert tensor.data_type != model_config_pb2.TYPE_INVALID
        assert tensor.dims
    assert config.instance_group
    for group in config.instance_group:
        assert group.count > 0
        assert group.kind in (group.KIND_AUTO, group.KIND_CPU, group.KIND_GPU)


@every
def test_what_answers_many_times_takes_a_request_at_a_time(name: str) -> None:
    config = config_of(name)
    if config.model_transaction_policy.decoupled:
        assert config.max_batch_size == 1


@every
def test_no_answer_is_kept(name: str) -> None:
    # Triton keeps failures too, as answers with nothing in them.
    assert not config_of(name).response_cache.enable


@every
def test_a_model_is_warm_before_somebody_waits_for_it(name: str) -> None:
    config = config_of(name)
    warmed = bool(config.model_warmup) or name in WARMED_BY_THE_ENGINE | SEQUENCES
    assert warmed
    for sample in config.model_warmup:
        needed = {each.name for each in config.input if not each.optional}
        assert needed <= sample.inputs.keys()
        files = {each.input_data_file for each in sample.inputs.values()} - {""}
        assert all((CONFIGS[name].parent / "warmup" / file).is_file() for file in files)


@every
def test_heavy_models_do_not_work_at_once_unless_they_fit(name: str) -> None:
    resources = [
        (resource.name, resource.count)
        for group in config_of(name).instance_group
        for resource in group.rate_limiter.resources
    ]
    assert resources == ([("memory", HEAVY[name])] if name in HEAVY else [])
    assert HEAVY.get(name, 0) <= MEMORY_UNITS


@every
def test_configuration_and_manifest_name_one_another(name: str) -> None:
    named = config_of(name).parameters["model"].string_value
    if name in SEQUENCES:
        assert named == ""
        return
    assert named
    if name in FILLED_IN:
        return
    [manifest] = [each for each in manifests() if each.name == named]
    assert manifest.options["triton_model"] == name
    assert name.startswith(f"{manifest.capability}_")


@every
def test_the_memory_of_all_its_instances_is_counted(name: str) -> None:
    for manifest in manifests():
        if manifest.options.get("triton_model") == name:
            instances = sum(group.count for group in config_of(name).instance_group)
            counted = manifest.triton_memory_bytes or manifest.memory_bytes
            assert counted >= instances * manifest.memory_bytes


@every
def test_its_figures_are_explained(name: str) -> None:
    assert CONFIGS[name].read_text("utf-8").startswith("# ")
    lines = CONFIGS[name].read_text("utf-8").splitlines()
    assert sum(line.strip().startswith("#") for line in lines) >= 5


def test_the_readme_lists_every_model_and_no_other() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "README.md").read_text("utf-8"), re.M)
    assert sorted(table) == sorted(CONFIGS)


def test_every_model_that_names_one_on_triton_names_one_of_these() -> None:
    named = {each.options["triton_model"] for each in manifests() if "triton_model" in each.options}
    assert named <= CONFIGS.keys()
