"""The network as ONNX: `python -m services.melody.training.export --run DIR --model DIR`.

The weights are kept in 16 bits and widened when the model is loaded. The graph reads any number of
tokens after those that its cache holds, and gives the logits after the last of them.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.melody.tokens import Vocabulary
from services.melody.training.network import Network, angles
from services.melody.training.run import trained

#: Positions that the rotary embedding is tabled for.
POSITIONS = 1024
WEIGHTS, VOCABULARY = "composer.onnx", "vocabulary.json"


class _Graph:
    """Nodes and weights of a graph that is written line by line."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def shape(self, *sizes: int) -> str:
        return self.constant(np.array(sizes, np.int64))

    def weight(self, tensor: torch.Tensor) -> str:
        """A weight in 16 bits, widened."""
        values = tensor.detach().numpy().astype(np.float16)
        return self("Cast", self.constant(np.ascontiguousarray(values)), to=TensorProto.FLOAT)

    def __call__(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


def graph(network: Network) -> onnx.ModelProto:
    """The network, with inputs `tokens` `(n)` and for each layer `past_<i>`, keys and values,
    `(2, heads, past, head)`; outputs `logits` `(tokens)` and `present_<i>`.
    """
    shape = network.shape
    g = _Graph()
    past = g("Gather", g("Shape", "past_0"), g.constant(np.array(2)), axis=0)
    count = g("Gather", g("Shape", "tokens"), g.constant(np.array(0)), axis=0)
    total = g("Add", past, count)
    one = g.constant(np.array(1))
    places = g("Range", past, total, one)
    cos, sin = (
        g("Gather", g.constant(table.numpy()), places)
        for table in angles(torch.arange(POSITIONS), shape.head)
    )
    heard = g("Range", g.constant(np.array(0)), total, one)
    future = g("Greater", g("Unsqueeze", heard, g.shape(0)), g("Unsqueeze", places, g.shape(1)))
    low, zero = (g.constant(np.array(value, np.float32)) for value in (-1e9, 0))
    mask = g("Where", future, low, zero)
    embedding = g.weight(network.embedding.weight)
    x = g("Gather", embedding, "tokens")
    for number, layer in enumerate(network.layers):
        x = _layer(g, x, layer, number, cos, sin, mask)
    x = g("Gather", _normed(g, x, network.norm), g.constant(np.array([-1])), axis=0)
    logits = g("MatMul", x, g("Transpose", embedding, perm=[1, 0]))
    g("Squeeze", logits, g.shape(0), out="logits")
    caches: list[Any] = [2, shape.heads, "past", shape.head]
    layers = range(shape.layers)
    value = helper.make_tensor_value_info
    found = helper.make_graph(
        g.nodes,
        "composer",
        [value("tokens", TensorProto.INT64, ["n"])]
        + [value(f"past_{at}", TensorProto.FLOAT, caches) for at in layers],
        [value("logits", TensorProto.FLOAT, [shape.tokens])]
        + [value(f"present_{at}", TensorProto.FLOAT, [*caches[:2], "total", shape.head])
           for at in layers],
        g.weights,
    )  # fmt: skip
    # The versions that ONNX Runtime 1.20 reads.
    model = helper.make_model(found, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _normed(g: _Graph, x: str, norm: Any) -> str:
    return g("LayerNormalization", x, g.weight(norm.weight), g.weight(norm.bias), axis=-1)


def _linear(g: _Graph, x: str, linear: Any) -> str:
    return g("Add", g("MatMul", x, g.weight(linear.weight.T)), g.weight(linear.bias))


def _rotated(g: _Graph, x: str, cos: str, sin: str, head: int) -> str:
    half, axis = g.shape(head // 2), g.shape(2)
    first = g("Slice", x, g.shape(0), half, axis)
    second = g("Slice", x, half, g.shape(head), axis)
    swapped = g("Concat", g("Neg", second), first, axis=2)
    return g("Add", g("Mul", x, cos), g("Mul", swapped, sin))


def _layer(g: _Graph, x: str, layer: Any, number: int, cos: str, sin: str, mask: str) -> str:
    shape = layer.shape
    qkv = _linear(g, _normed(g, x, layer.norm1), layer.qkv)
    qkv = g("Reshape", qkv, g.shape(0, 3, shape.heads, shape.head))
    qkv = g("Transpose", qkv, perm=[1, 2, 0, 3])
    query, key, value = (g("Gather", qkv, g.constant(np.array(at)), axis=0) for at in range(3))
    query, key = (_rotated(g, each, cos, sin, shape.head) for each in (query, key))
    first = g.shape(0)
    new = g("Concat", g("Unsqueeze", key, first), g("Unsqueeze", value, first), axis=0)
    cache = g("Concat", f"past_{number}", new, axis=2, out=f"present_{number}")
    key, value = (g("Gather", cache, g.constant(np.array(at)), axis=0) for at in range(2))
    scale = g.constant(np.array(shape.head**-0.5, np.float32))
    scores = g("MatMul", g("Mul", query, scale), g("Transpose", key, perm=[0, 2, 1]))
    weights = g("Softmax", g("Add", scores, mask), axis=-1)
    heard = g("Transpose", g("MatMul", weights, value), perm=[1, 0, 2])
    x = g("Add", x, _linear(g, g("Reshape", heard, g.shape(-1, shape.width)), layer.out))
    wide = g("Gelu", _linear(g, _normed(g, x, layer.norm2), layer.up), approximate="tanh")
    return g("Add", x, _linear(g, wide, layer.down))


def export(network: Network, folder: Path) -> Path:
    """Writes the weights and the vocabulary that a model is served from."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(network.eval()), folder / WEIGHTS)
    Vocabulary.full().save(folder / VOCABULARY)
    return folder / WEIGHTS


def main(
    run: Annotated[Path, typer.Option(help="Folder of a training.")],
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
) -> None:
    """See the module."""
    export(trained(run), model)


if __name__ == "__main__":
    typer.run(main)
