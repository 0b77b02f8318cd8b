"""Requests and pieces of music as tensors and back, for both ends of a Triton server.

What is small travels as JSON: the request as the contract has it, so that the server checks it as
the service does. Sound and tune are tensors of their own.
"""

import json
from dataclasses import asdict, replace

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray

from orfeon.api.melody.v1 import melody_pb2
from services.melody.engine import MelodyRequest, Piece, Progress, Sound, Started
from services.melody.requests import audible, request_of
from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.triton.interface import Interface, Tensor, Tensors

#: `TUNE` is mono, at `TUNE_RATE`, and left out where there is none. Each answer holds one piece:
#: `PIECE`, and what sounds in it, shape `(samples, channels)`.
INTERFACE = Interface(
    inputs=(Tensor("REQUEST", "BYTES", (1,)), Tensor("TUNE", "FP32")),
    outputs=(Tensor("PIECE", "BYTES", (1,)), Tensor("SOUND", "FP32", (-1, -1))),
    decoupled=True,
)

_SILENCE = np.zeros((0, 0), np.float32)
_STARTED, _PROGRESS, _SOUND = "started", "progress", "sound"


def request_tensors(request: MelodyRequest) -> Tensors:
    """A request on its way to the server. Priority and timeout travel beside it."""
    tensors = {"REQUEST": _text(json_format.MessageToJson(_config(request)))}
    return tensors if request.tune is None else tensors | {"TUNE": request.tune}


def request_of_tensors(tensors: Tensors, manifest: Manifest) -> MelodyRequest:
    """The request that has come. Raises `InvalidRequest` naming the field at fault."""
    config = melody_pb2.ComposeConfig()
    try:
        json_format.Parse(tensors["REQUEST"][0], config)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            "REQUEST must be a ComposeConfig of orfeon.api.melody.v1 as JSON."
        ) from error
    request = request_of(config, manifest)
    if "TUNE" not in tensors:
        return request
    return replace(request, tune=audible(tensors["TUNE"].astype(np.float32, copy=False)))


def piece_tensors(piece: Piece) -> Tensors:
    """A piece on its way to the service. Raises `TypeError` for one that only notes have."""
    match piece:
        case Started():
            return {"PIECE": _text(json.dumps({_STARTED: asdict(piece)})), "SOUND": _SILENCE}
        case Progress():
            return {"PIECE": _text(json.dumps({_PROGRESS: asdict(piece)})), "SOUND": _SILENCE}
        case Sound():
            return {"PIECE": _text(json.dumps({_SOUND: {}})), "SOUND": piece.samples}
        case _:
            raise TypeError(f"{type(piece).__name__} does not come from Triton")


def piece_of_tensors(tensors: Tensors) -> Piece:
    """The piece that has come."""
    ((kind, fields),) = json.loads(tensors["PIECE"][0]).items()
    if kind == _SOUND:
        return Sound(tensors["SOUND"].astype(np.float32, copy=False))
    return Started(**fields) if kind == _STARTED else Progress(**fields)


def _config(request: MelodyRequest) -> melody_pb2.ComposeConfig:
    """What `request_of` makes the request of."""
    return melody_pb2.ComposeConfig(
        task=melody_pb2.Task.Value(f"TASK_{request.task.upper()}"),
        genre=request.genre,
        mood=request.mood,
        prompt=request.prompt,
        duration_seconds=request.seconds,
        tempo=request.tempo or 0.0,
        key=request.key,
        seed=request.seed,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        guidance=request.guidance,
        sections=[
            melody_pb2.Section(
                kind=section.kind,
                lines=[melody_pb2.Line(syllables=count) for count in section.syllables],
            )
            for section in request.sections
        ],
        artifacts=[
            melody_pb2.ArtifactKind.Value(f"ARTIFACT_KIND_{kind.upper()}")
            for kind in sorted(request.artifacts)
        ],
        silent=request.silent,
    )


def _text(text: str) -> NDArray[np.object_]:
    return np.array([text.encode()], dtype=np.object_)
