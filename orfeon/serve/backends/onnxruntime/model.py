"""A Python-based backend named `onnxruntime`: runs `<version>/model.onnx` on the CPU.

NVIDIA's image has the real one, which the wheel lacks. This one takes the same `config.pbtxt` and
heeds what our models say there: tensors, batches, `default_model_filename`, and the parameters
`intra_op_thread_count`, `inter_op_thread_count` and `execution_mode`. Tensors of strings it
does not take.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

#: Triton's names of ONNX's types.
_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
}

#: By the number in `execution_mode`.
_MODES = (onnxruntime.ExecutionMode.ORT_SEQUENTIAL, onnxruntime.ExecutionMode.ORT_PARALLEL)


class TritonPythonModel:
    """One instance of a model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the file. What this raises, Triton reports as the reason that it cannot."""
        if args["model_instance_kind"] == "GPU":
            raise pb_utils.TritonModelException("this ONNX Runtime backend is for CPUs alone")
        config = json.loads(args["model_config"])
        file = (
            Path(args["model_repository"])
            / args["model_version"]
            / (config["default_model_filename"] or "model.onnx")
        )
        if not file.is_file():
            raise pb_utils.TritonModelException(
                f"there is no {'/'.join(file.parts[-3:])}; 'orfeon models export' makes it"
            )
        self._session = onnxruntime.InferenceSession(
            str(file), _options(config["parameters"]), providers=["CPUExecutionProvider"]
        )
        _check(config["input"], self._session.get_inputs())
        _check(config["output"], self._session.get_outputs())
        self._batches = config["max_batch_size"] > 0

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers requests, all in one run where the model takes batches."""
        if self._batches:
            return self._run(requests)
        return [response for request in requests for response in self._run([request])]

    def _run(self, requests: list[Any]) -> list[Any]:
        inputs = [
            {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            for request in requests
        ]
        try:
            stacked = {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}
            outputs = self._session.run(None, stacked)
        except Exception as error:
            failure = pb_utils.TritonError(f"onnx runtime error: {error}")
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
        if len(requests) == 1:
            return [self._response(requests[0], outputs)]
        ends = np.cumsum([len(next(iter(each.values()))) for each in inputs])[:-1]
        parts = zip(*(np.split(array, ends) for array in outputs), strict=True)
        return [
            self._response(request, part) for request, part in zip(requests, parts, strict=True)
        ]

    def _response(self, request: Any, arrays: Iterable[NDArray[Any]]) -> Any:
        wanted = set(request.requested_output_names())
        outputs = zip(self._session.get_outputs(), arrays, strict=True)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(output.name, np.ascontiguousarray(array))
                for output, array in outputs
                if output.name in wanted
            ]
        )


def _options(parameters: dict[str, dict[str, str]]) -> onnxruntime.SessionOptions:
    def number(name: str) -> int:
        return int(parameters.get(name, {}).get("string_value", "0"))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = number("intra_op_thread_count")
    options.inter_op_num_threads = number("inter_op_thread_count")
    options.execution_mode = _MODES[number("execution_mode")]
    # Threads that spin while they wait starve the others of this machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _check(configured: list[dict[str, Any]], found: list[Any]) -> None:
    """Raises where the configuration has what the file has not."""
    theirs = {each.name: _TYPES.get(each.type, each.type) for each in found}
    ours = {each["name"]: each["data_type"] for each in configured}
    if not ours.items() <= theirs.items():
        raise pb_utils.TritonModelException(
            f"config.pbtxt says {ours}, but the file of the model has {theirs}"
        )
