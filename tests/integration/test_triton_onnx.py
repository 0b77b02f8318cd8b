"""The backend that stands in for Triton's ONNX Runtime one, in a real Triton server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.integration.triton_server import running_triton

CONFIG = """
name: "{name}"
backend: "onnxruntime"
max_batch_size: {batch}
input [ {{ name: "X" data_type: TYPE_FP32 dims: [ {dims} ] }} ]
output [
  {{ name: "SUM" data_type: {type} dims: [ {sums} ] }},
  {{ name: "TWICE" data_type: TYPE_FP32 dims: [ {dims} ] }}
]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
"""


def write_model(folder: Path, config: str) -> None:
    """Twice its input, and each row's sum; an empty row is more than `ReduceSum` minds."""
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    tensor = helper.make_tensor_value_info
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["X", "axes"], ["SUM"], keepdims=1),
            helper.make_node("Add", ["X", "X"], ["TWICE"]),
        ],
        "sums",
        [tensor("X", TensorProto.FLOAT, ["rows", "columns"])],
        [
            tensor("SUM", TensorProto.FLOAT, ["rows", 1]),
            tensor("TWICE", TensorProto.FLOAT, ["rows", "columns"]),
        ],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "1" / "model.onnx")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServerClient]:
    tmp_path = tmp_path_factory.mktemp("onnx")
    models = tmp_path / "models"
    rows = {"batch": 8, "dims": "-1", "sums": "1", "type": "TYPE_FP32", "delay": 200_000}
    write_model(models / "sums", CONFIG.format(name="sums", **rows))
    alone = {**rows, "batch": 0, "dims": "-1, -1", "sums": "-1, 1"}
    unbatched = CONFIG.format(name="alone", **alone).replace("dynamic_batching", "# ")
    write_model(models / "alone", unbatched)
    write_model(models / "other", CONFIG.format(name="other", **{**rows, "type": "TYPE_INT64"}))
    write_model(models / "empty", CONFIG.format(name="empty", **rows))
    (models / "empty" / "1" / "model.onnx").unlink()
    with running_triton(tmp_path, {}, models) as url, InferenceServerClient(url) as client:
        yield client


def ask(
    client: InferenceServerClient, name: str, rows: np.ndarray, *outputs: str
) -> dict[str, np.ndarray]:
    tensor = InferInput("X", rows.shape, np_to_triton_dtype(rows.dtype))
    tensor.set_data_from_numpy(rows)
    wanted = [InferRequestedOutput(output) for output in outputs] or None
    result = client.infer(name, [tensor], outputs=wanted)
    return {each.name: result.as_numpy(each.name) for each in result.get_response().outputs}


def test_requests_share_a_run_and_keep_their_rows(client: InferenceServerClient) -> None:
    client.load_model("sums")
    rng = np.random.default_rng(1)
    asked = [rng.random((1 + at % 3, 5), np.float32) for at in range(12)]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda rows: ask(client, "sums", rows), asked))
    for rows, answer in zip(asked, answers, strict=True):
        assert answer["SUM"] == pytest.approx(rows.sum(1, keepdims=True), rel=1e-6)
        assert answer["TWICE"] == pytest.approx(2 * rows)
    end = time.monotonic() + 30
    while True:  # Triton counts after it has answered.
        [statistics] = client.get_inference_statistics("sums").model_stats
        if statistics.inference_count == sum(map(len, asked)) or time.monotonic() > end:
            break
        time.sleep(0.01)
    assert statistics.inference_count == sum(map(len, asked))
    assert statistics.execution_count < len(asked)


def test_only_the_outputs_asked_for_come_back(client: InferenceServerClient) -> None:
    client.load_model("sums")
    assert list(ask(client, "sums", np.ones((1, 2), np.float32), "SUM")) == ["SUM"]


def test_a_model_without_batches_has_the_first_dimension_to_itself(
    client: InferenceServerClient,
) -> None:
    client.load_model("alone")
    answer = ask(client, "alone", np.ones((3, 2), np.float32))
    assert answer["SUM"].tolist() == [[2], [2], [2]]


@pytest.mark.parametrize(
    ("name", "said"),
    [("other", "config.pbtxt says"), ("empty", "orfeon models export")],
)
def test_a_model_that_is_not_as_configured_says_so(
    client: InferenceServerClient, name: str, said: str
) -> None:
    with pytest.raises(InferenceServerException, match=said):
        client.load_model(name)
