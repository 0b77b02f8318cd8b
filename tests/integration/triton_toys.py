"""Small models for a Triton server, which the tests write into a repository of their own."""

from pathlib import Path

from services.runtime.triton.interface import Interface, Tensor

_CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [ {{ name: "X" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "Y" data_type: TYPE_FP32 dims: [ -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
model_transaction_policy {{ decoupled: {decoupled} }}
dynamic_batching {{
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy {{ max_queue_size: 64 timeout_action: REJECT allow_timeout_override: true }}
}}
parameters {{ key: "notes" value {{ string_value: "{notes}" }} }}
"""

_MODEL = """
import json
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from services.runtime.errors import InvalidRequest, OutOfMemory
from services.runtime.triton.python_model import PythonModel, StreamingModel


class Toy:
    def load(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.notes = Path(parameters["notes"]["string_value"])
        self.begin()
        return self

    def begin(self):
        pass

    def note(self, word):
        with self.notes.open("a") as file:
            file.write(word + "\\n")

    def close(self):
        pass


"""

_ECHO = '''
class TritonPythonModel(Toy, PythonModel):
    """What it was given."""

    def answer(self, tensors, cancelled):
        return {"Y": tensors["X"]}
'''

_SLOW = '''
class TritonPythonModel(Toy, PythonModel):
    """Takes as many seconds as it was told, or less if nobody waits; notes how it ended."""

    def answer(self, tensors, cancelled):
        self.note("begun")
        until = time.monotonic() + float(tensors["X"][0])
        while time.monotonic() < until:
            if cancelled.is_set:
                self.note("cancelled")
                break
            time.sleep(0.005)
        else:
            self.note("done")
        return {"Y": tensors["X"]}
'''

_COUNT = '''
class TritonPythonModel(Toy, StreamingModel):
    """Counts up to the first number, with the second's seconds between; each is third's long."""

    def answers(self, tensors, cancelled):
        many, seconds, size = tensors["X"]
        try:
            for number in range(int(many)):
                if cancelled.is_set:
                    self.note("cancelled")
                    return
                if number == 13 and many == 14:
                    raise InvalidRequest("Thirteen is no number.")
                if number == 12 and many == 13:
                    os.kill(os.getpid(), signal.SIGKILL)
                self.last = number
                yield {"Y": np.full(int(size), number, np.float32)}
                time.sleep(float(seconds))
        finally:
            self.note(f"ended {number}")
'''

_FAULTY = '''
class TritonPythonModel(Toy, PythonModel):
    """Fails in as many ways as there are numbers."""

    def answer(self, tensors, cancelled):
        way = int(tensors["X"][0])
        if way == 1:
            raise ValueError("a secret")
        if way == 2:
            limits = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, limits[1]))
            try:
                np.ones(4 << 30, np.uint8)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, limits)
        if way == 3:
            self.note("killed")
            os.kill(os.getpid(), signal.SIGKILL)
        if way == 4 and not self.notes.exists():
            self.note("killed")
            os.kill(os.getpid(), signal.SIGKILL)
        if way == 5:
            time.sleep(3600)
        return {"Y": tensors["X"]}
'''

_BEGINNING = '''
class TritonPythonModel(Toy, PythonModel):
    """Fails before it begins."""

    def begin(self):
        {how}
'''

#: By name: code, batch size, whether decoupled.
_TOYS = {
    "echo": (_ECHO, 8, False),
    "slow": (_SLOW, 1, False),
    "count": (_COUNT, 1, True),
    "faulty": (_FAULTY, 4, False),
    "raising": (_BEGINNING.format(how='raise ValueError("a secret")'), 1, False),
    "refusing": (_BEGINNING.format(how='raise OutOfMemory("No room.")'), 1, False),
    "starving": (_BEGINNING.format(how="raise MemoryError"), 1, False),
    "dying": (_BEGINNING.format(how="os.kill(os.getpid(), signal.SIGKILL)"), 1, False),
    "sleeping": (_BEGINNING.format(how="time.sleep(3600)"), 1, False),
}

X, Y = Tensor("X", "FP32"), Tensor("Y", "FP32")
INTERFACES = {name: Interface((X,), (Y,), decoupled) for name, (_, _, decoupled) in _TOYS.items()}


def write_toys(folder: Path) -> Path:
    """The repository of all of them; what model `name` notes is in `folder/name.txt`."""
    for name, (code, batch, decoupled) in _TOYS.items():
        model = folder / "models" / name / "1"
        model.mkdir(parents=True)
        (model / "model.py").write_text(_MODEL + code)
        config = _CONFIG.format(
            name=name,
            batch=batch,
            decoupled="true" if decoupled else "false",
            notes=folder / f"{name}.txt",
        )
        (model.parent / "config.pbtxt").write_text(config)
    return folder / "models"
