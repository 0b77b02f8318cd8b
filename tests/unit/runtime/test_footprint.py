import pytest
from pydantic import ValidationError

from services.runtime.footprint import allowed, finds_library, footprint_of
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, CUDA, TRITON, Footprint

BOTH = frozenset({CPU, CUDA})


def manifest(**fields: object) -> Manifest:
    base = {
        "name": "a",
        "capability": "chat",
        "engine": "llama-cpp",
        "tasks": ["chat"],
        "owned_by": "us",
        "licence": "MIT",
        "memory_bytes": 400,
        "files": {"model.gguf": {"size": 300, "sources": [{"local": "model.gguf"}]}},
    }
    return Manifest.model_validate(base | fields)


def test_a_model_without_layers_is_in_one_piece() -> None:
    assert footprint_of(manifest(), BOTH) == Footprint(400, kinds=BOTH)


def test_the_weights_are_spread_over_the_layers_and_the_rest_is_not() -> None:
    footprint = footprint_of(manifest(layers=30), BOTH)
    assert (footprint.layers, footprint.layer_bytes, footprint.rest) == (30, 10, 100)


def test_layers_never_take_more_than_the_model() -> None:
    footprint = footprint_of(manifest(layers=30, memory_bytes=200), BOTH)
    assert footprint.layers * footprint.layer_bytes <= 200


def test_a_manifest_may_narrow_what_its_engine_can_use_but_not_widen_it() -> None:
    assert footprint_of(manifest(devices=["cpu"]), BOTH).kinds == {CPU}
    assert footprint_of(manifest(devices=["cuda"]), frozenset({CPU})).kinds == frozenset()


def test_where_a_model_may_be_on_a_triton_server_is_for_its_configuration_to_say() -> None:
    assert footprint_of(manifest(devices=["cuda"]), frozenset({TRITON})).kinds == {TRITON}


def test_a_triton_server_may_take_more_for_the_same_model_on_whatever_device() -> None:
    twice = manifest(triton_memory_bytes=900)
    for kinds in (frozenset({TRITON}), frozenset({CPU})):
        assert footprint_of(twice, kinds, on_triton=True) == Footprint(900, kinds=kinds)
        assert footprint_of(manifest(), kinds, on_triton=True) == Footprint(400, kinds=kinds)
    assert footprint_of(twice, BOTH) == Footprint(400, kinds=BOTH)


def test_a_model_with_layers_says_how_large_its_files_are() -> None:
    files = {"model.gguf": {"sources": [{"local": "model.gguf"}]}}
    with pytest.raises(ValidationError, match="size of each of its files"):
        manifest(layers=30, files=files)


@pytest.mark.parametrize(
    ("device", "cuda", "kinds"),
    [
        ("auto", True, {CPU, CUDA}),
        ("auto", False, {CPU}),
        ("cpu", True, {CPU}),
        ("cuda", True, {CUDA}),
        ("cuda", False, {CUDA}),
    ],
)
def test_the_setting_restricts_what_the_engine_finds(
    device: str, cuda: bool, kinds: set[str]
) -> None:
    assert allowed(device, cuda=cuda) == kinds


def test_a_library_that_is_not_there_is_no_error() -> None:
    assert not finds_library("libnothing-of-that-name.so.1")
