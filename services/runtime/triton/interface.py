"""What a model takes and gives, as the service means it and as the server has it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

#: Arrays by tensor name, without the dimension of the batch. Text is an array of `bytes`.
Tensors = Mapping[str, NDArray[np.generic]]

_PREFIX = "TYPE_"
#: Where `config.pbtxt` and the protocol have different names.
_DATATYPES = {"STRING": "BYTES"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's name, its datatype in the protocol's words (`FP32`, `INT64`, `BYTES`, ...) and its
    shape without the dimension of the batch, -1 for any length.
    """

    name: str
    datatype: str
    shape: tuple[int, ...] = (-1,)


@dataclass(frozen=True, slots=True)
class Interface:
    """What a model takes and gives; whether it may answer many times, or not at all."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    decoupled: bool = False

    def difference(self, config: model_config_pb2.ModelConfig) -> str:
        """Where a configuration says otherwise, in words; empty where it does not.

        What the model has beyond this is fine, if it is an optional input or an output.
        """
        optional = {each.name for each in config.input if each.optional}
        theirs = {"input": _tensors(config.input), "output": _tensors(config.output)}
        ours = {"input": self.inputs, "output": self.outputs}
        for kind, tensors in ours.items():
            for tensor in tensors:
                found = theirs[kind].get(tensor.name)
                if found is None:
                    return f"it has no {kind} {tensor.name}"
                if found != tensor:
                    return f"its {kind} {_words(found)} should be {_words(tensor)}"
        if unknown := theirs["input"].keys() - optional - {each.name for each in self.inputs}:
            return f"it needs an input {min(unknown)} that nobody gives"
        if config.model_transaction_policy.decoupled != self.decoupled:
            return "it should be decoupled" if self.decoupled else "it should not be decoupled"
        return ""


def _tensors(
    entries: Iterable[model_config_pb2.ModelInput | model_config_pb2.ModelOutput],
) -> dict[str, Tensor]:
    return {
        each.name: Tensor(each.name, _datatype(each.data_type), tuple(each.dims))
        for each in entries
    }


def _datatype(number: int) -> str:
    name: str = model_config_pb2.DataType.Name(number).removeprefix(_PREFIX)
    return _DATATYPES.get(name, name)


def _words(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.datatype} {list(tensor.shape)}"
