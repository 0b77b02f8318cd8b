"""Writes `encoder.onnx`: the graph of a Whisper encoder whose weights lie in CTranslate2's file.

    python -m services.emotion.encoder_graph model.bin encoder.onnx --layers 1,2,3

Needs the extra `train`. The graph has the positions of the weights in `model.bin` and none of their
numbers, so it is some kB long and is right for that one file alone. It gives the sums after the
layers that are named, counted from 1, and stops after the last of them.
"""

import argparse
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: The name under which the graph asks for the file of weights.
WEIGHTS = "model.bin"

#: Half precision, as CTranslate2 numbers its types.
_FLOAT16 = 4
_HEAD_SIZE = 64
_OPSET, _IR_VERSION = 20, 9


@dataclass(frozen=True, slots=True)
class Variable:
    """Where an array lies in the file: shape, type, and bytes from `offset` on."""

    shape: tuple[int, ...]
    kind: int
    offset: int
    size: int


def variables(path: Path) -> dict[str, Variable]:
    """The arrays of a `model.bin` of CTranslate2, version 6 of the format, by their names."""
    found = {}
    with path.open("rb") as file:

        def number(kind: str) -> int:
            [value] = struct.unpack("<" + kind, file.read(struct.calcsize(kind)))
            return int(value)

        def text() -> str:
            return file.read(number("H"))[:-1].decode()

        _version, _spec, _revision = number("I"), text(), number("I")
        for _ in range(number("I")):
            name = text()
            shape = tuple(number("I") for _ in range(number("B")))
            kind, size = number("B"), number("I")
            found[name] = Variable(shape, kind, file.tell(), size)
            file.seek(size, 1)
    return found


def graph(weights: Path, layers: Sequence[int]) -> onnx.ModelProto:
    """`mel`, shape `(1, bands, frames)`, to `layer_<n>`, each of shape `(positions, channels)`."""
    build = _Builder(variables(weights))
    channels, bands, _ = build.shape("conv1/weight")
    heads = channels // _HEAD_SIZE
    build.constant("first", np.array([0], np.int64))
    build.constant("split", np.array([0, 3, heads, _HEAD_SIZE], np.int64))
    build.constant("join", np.array([0, channels], np.int64))
    build.constant("scale", np.array(_HEAD_SIZE**-0.5, np.float32))
    x = build("Gelu", build.convolution("mel", "conv1", 1))
    x = build("Gelu", build.convolution(x, "conv2", 2))
    x = build("Transpose", build("Squeeze", x, "first"), perm=[1, 0])
    positions = build("Shape", x, start=0, end=1)
    encodings = build.weight("position_encodings/encodings")
    x = build("Add", x, build("Slice", encodings, "first", positions, "first"))
    for layer in range(1, max(layers) + 1):
        scope = f"layer_{layer - 1}"
        x = build("Add", x, _attention(build, x, f"{scope}/self_attention"))
        heard = build.normalised(x, f"{scope}/ffn/layer_norm")
        heard = build("Gelu", build.linear(heard, f"{scope}/ffn/linear_0"))
        heard = build.linear(heard, f"{scope}/ffn/linear_1")
        x = build("Add", x, heard, name=f"layer_{layer}")
    outputs = [f"layer_{layer}" for layer in layers]
    return build.model(("mel", [1, bands, "frames"]), dict.fromkeys(outputs, channels))


def _attention(build: "_Builder", x: str, scope: str) -> str:
    joint = build.linear(build.normalised(x, f"{scope}/layer_norm"), f"{scope}/linear_0")
    # Queries, keys and values of all heads: (3, heads, positions, size).
    joint = build("Transpose", build("Reshape", joint, "split"), perm=[1, 2, 0, 3])
    asking, asked, told = build.thirds(joint)
    match = build("MatMul", asking, build("Transpose", asked, perm=[0, 1, 3, 2]))
    match = build("Softmax", build("Mul", match, "scale"), axis=-1)
    heard = build("Squeeze", build("MatMul", match, told), "first")
    heard = build("Reshape", build("Transpose", heard, perm=[1, 0, 2]), "join")
    return build.linear(heard, f"{scope}/linear_1")


class _Builder:
    """Collects the nodes of a graph. Each method gives the name of its result."""

    def __init__(self, variables: dict[str, Variable]) -> None:
        self._variables = variables
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []

    def __call__(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """One operation."""
        name = name or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a weight of the encoder."""
        return self._variables[f"encoder/{name}"].shape

    def constant(self, name: str, value: np.ndarray) -> None:
        """A number or a few, which the graph itself holds."""
        self._tensors.append(numpy_helper.from_array(value, name))

    def weight(self, name: str) -> str:
        """A weight of the encoder, which the file holds, in single precision."""
        variable = self._variables[f"encoder/{name}"]
        if variable.kind != _FLOAT16:
            raise ValueError(f"{name} is not in half precision, but of type {variable.kind}")
        tensor = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT16,
            dims=variable.shape,
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": WEIGHTS, "offset": variable.offset, "length": variable.size}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._tensors.append(tensor)
        return self("Cast", name, to=TensorProto.FLOAT)

    def convolution(self, x: str, scope: str, stride: int) -> str:
        """Over time, three frames wide."""
        weight, bias = self.weight(f"{scope}/weight"), self.weight(f"{scope}/bias")
        return self("Conv", x, weight, bias, pads=[1, 1], strides=[stride])

    def linear(self, x: str, scope: str) -> str:
        """A layer of weights and biases."""
        weight, bias = self.weight(f"{scope}/weight"), self.weight(f"{scope}/bias")
        return self("Gemm", x, weight, bias, transB=1)

    def normalised(self, x: str, scope: str) -> str:
        """Layer normalisation."""
        gamma, beta = self.weight(f"{scope}/gamma"), self.weight(f"{scope}/beta")
        return self("LayerNormalization", x, gamma, beta, axis=-1)

    def thirds(self, x: str) -> list[str]:
        """Split along the first axis."""
        names = [f"third_{len(self._nodes)}_{part}" for part in range(3)]
        self._nodes.append(helper.make_node("Split", [x], names, axis=0, num_outputs=3))
        return names

    def model(self, read: tuple[str, list[int | str]], given: dict[str, int]) -> onnx.ModelProto:
        """The whole."""
        name, shape = read
        built = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(each, TensorProto.FLOAT, ["positions", channels])
                for each, channels in given.items()
            ],
            self._tensors,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(built, opset_imports=[opset], ir_version=_IR_VERSION)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("weights", type=Path, help="model.bin of CTranslate2")
    parser.add_argument("graph", type=Path, help="the file to write")
    parser.add_argument("--layers", default="1,2,3", help="those whose sums are given")
    arguments = parser.parse_args()
    layers = [int(layer) for layer in arguments.layers.split(",")]
    arguments.graph.write_bytes(graph(arguments.weights, layers).SerializeToString())


if __name__ == "__main__":
    main()
