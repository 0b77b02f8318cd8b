from hypothesis import given
from hypothesis import strategies as st

from services.runtime.residency.placement import (
    CPU,
    CUDA,
    Footprint,
    Placement,
    does_not_fit,
    plan,
)

BOTH = frozenset({CPU, CUDA})

#: 100 bytes: ten layers of 8 and a rest of 20.
LAYERED = Footprint(100, layers=10, layer_bytes=8, kinds=BOTH)


def test_a_model_that_fits_on_the_gpu_goes_there_whole() -> None:
    placed = plan(LAYERED, {CPU: 1000, "cuda:0": 100})
    assert placed == Placement((("cuda:0", 100),), gpu_layers=-1)
    assert (placed.kind, placed.index, placed.bytes) == (CUDA, 0, 100)


def test_of_several_gpus_the_one_with_the_most_room_is_taken() -> None:
    placed = plan(LAYERED, {CPU: 1000, "cuda:0": 150, "cuda:1": 200, "cuda:2": 200})
    assert placed is not None
    assert (placed.device, placed.index) == ("cuda:1", 1)


def test_a_model_too_large_for_the_gpu_is_split_and_its_rest_counts_on_both_sides() -> None:
    placed = plan(LAYERED, {CPU: 1000, "cuda:0": 60})
    # 60 hold the rest of 20 and five layers of 8; the other five and a rest stay in RAM.
    assert placed == Placement((("cuda:0", 60), (CPU, 60)), gpu_layers=5)
    assert placed.device == "cuda:0"


def test_a_split_leaves_at_least_one_layer_in_ram() -> None:
    placed = plan(LAYERED, {CPU: 1000, "cuda:0": 99})
    assert placed is not None
    assert placed.gpu_layers == 9


def test_a_gpu_without_room_for_one_layer_is_left_alone() -> None:
    assert plan(LAYERED, {CPU: 1000, "cuda:0": 27}) == Placement(((CPU, 100),))


def test_a_split_whose_other_half_does_not_fit_in_ram_is_none() -> None:
    assert plan(LAYERED, {CPU: 59, "cuda:0": 60}) is None


def test_a_model_in_one_piece_goes_to_ram_where_the_gpu_is_too_small() -> None:
    whole = Footprint(100, kinds=BOTH)
    assert plan(whole, {CPU: 100, "cuda:0": 99}) == Placement(((CPU, 100),))


def test_an_engine_without_cuda_never_gets_a_gpu() -> None:
    placed = plan(Footprint(100), {CPU: 100, "cuda:0": 1000})
    assert placed == Placement(((CPU, 100),))
    assert (placed.kind, placed.index, placed.gpu_layers) == (CPU, 0, 0)


def test_a_model_for_gpus_alone_does_not_go_to_ram() -> None:
    footprint = Footprint(100, layers=10, layer_bytes=8, kinds=frozenset({CUDA}))
    assert plan(footprint, {CPU: 1000, "cuda:0": 99}) is None
    assert plan(footprint, {CPU: 1000}) is None


def test_the_refusal_says_the_numbers() -> None:
    error = does_not_fit("big", Footprint(5_000_000, kinds=BOTH), {CPU: 1_200_000, "cuda:0": 7})
    assert "5,000,000 bytes" in error.message
    assert "1,200,000 on cpu, 7 on cuda:0" in error.message
    assert "'big'" in error.message


def test_the_refusal_leaves_out_devices_that_the_model_cannot_use() -> None:
    gpu_only = Footprint(5_000_000, kinds=frozenset({CUDA}))
    assert "none on a device that it can use" in does_not_fit("big", gpu_only, {CPU: 9}).message


ROOMS = st.dictionaries(
    st.sampled_from([CPU, "cuda:0", "cuda:1"]), st.integers(0, 2000), min_size=1
)
FOOTPRINTS = st.builds(
    Footprint,
    bytes=st.integers(1, 1000),
    layers=st.integers(0, 40),
    layer_bytes=st.integers(0, 30),
    kinds=st.sampled_from([BOTH, frozenset({CPU}), frozenset({CUDA})]),
)


@given(FOOTPRINTS, ROOMS)
def test_a_plan_never_takes_more_than_there_is(footprint: Footprint, room: dict[str, int]) -> None:
    if (placed := plan(footprint, room)) is not None:
        assert all(0 < size <= room[device] for device, size in placed.parts)
        assert {device.partition(":")[0] for device, _ in placed.parts} <= footprint.kinds
        assert placed.bytes >= footprint.bytes


@given(FOOTPRINTS, ROOMS)
def test_whatever_fits_on_a_gpu_is_there(footprint: Footprint, room: dict[str, int]) -> None:
    gpu = max((size for device, size in room.items() if device != CPU), default=0)
    if CUDA in footprint.kinds and footprint.bytes <= gpu:
        placed = plan(footprint, room)
        assert placed is not None
        assert (placed.kind, placed.gpu_layers) == (CUDA, -1)
