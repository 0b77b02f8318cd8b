"""Requests and what comes of them as tensors, and back: both ends of the way to a Triton server."""

import json
from dataclasses import asdict
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import InvalidAudio, InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.triton.interface import Interface, Tensor, Tensors
from services.speech.choices import check_style, language_of, speech_request
from services.speech.engine import (
    Samples,
    Segment,
    SpeechRequest,
    Started,
    Task,
    TranscriptionRequest,
    Word,
)

_ONE = (1,)

#: A recording at `TRANSCRIBER_RATE` to parts of its transcript. `AUDIO` and `TASK` are needed.
LISTENING = Interface(
    inputs=(
        Tensor("AUDIO", "FP32"),
        Tensor("TASK", "BYTES", _ONE),
        Tensor("LANGUAGE", "BYTES", _ONE),
        Tensor("PROMPT", "BYTES", _ONE),
        Tensor("TEMPERATURE", "FP64", _ONE),
        Tensor("WORD_TIMESTAMPS", "BOOL", _ONE),
    ),
    outputs=(Tensor("PART", "BYTES", _ONE),),
    decoupled=True,
)

#: A text to sound at `SYNTHESIZER_RATE`, part by part. `TEXT` alone is needed.
SPEAKING = Interface(
    inputs=(
        Tensor("TEXT", "BYTES", _ONE),
        Tensor("VOICE", "BYTES", _ONE),
        Tensor("SPEED", "FP64", _ONE),
    ),
    outputs=(Tensor("AUDIO", "FP32"),),
    decoupled=True,
)


def speech_tensors(request: SpeechRequest) -> Tensors:
    """A text to speak, as tensors."""
    return {
        "TEXT": _text(request.text),
        "VOICE": _text(request.voice),
        "SPEED": np.array([request.speed]),
    }


def speech_of(tensors: Tensors, manifest: Manifest) -> SpeechRequest:
    """The text that tensors ask to speak. Raises `InvalidRequest`."""
    speed = float(_first(tensors, "SPEED", 1.0))
    return speech_request(manifest, _string(tensors, "TEXT"), _string(tensors, "VOICE"), speed)


def sound_tensors(samples: Samples) -> Tensors:
    """The next of a sound, as tensors."""
    return {"AUDIO": samples}


def sound_of(tensors: Tensors) -> Samples:
    """The next of a sound that tensors hold."""
    return cast(Samples, tensors["AUDIO"])


def transcription_tensors(request: TranscriptionRequest) -> Tensors:
    """A recording to write down, as tensors."""
    tensors = {
        "AUDIO": request.samples.astype(np.float32, copy=False),
        "TASK": _text(request.task),
        "LANGUAGE": _text(request.language or ""),
        "PROMPT": _text(request.prompt),
        "WORD_TIMESTAMPS": np.array([request.word_timestamps]),
    }
    if request.temperature is not None:
        tensors["TEMPERATURE"] = np.array([request.temperature], np.float64)
    return tensors


def transcription_of(tensors: Tensors, manifest: Manifest) -> TranscriptionRequest:
    """The recording that tensors ask to write down. Raises `InvalidRequest`, `InvalidAudio`."""
    samples = cast(Samples, tensors["AUDIO"])
    if samples.size == 0:
        raise InvalidAudio("The audio holds no samples. Record again.", param="file")
    if not np.isfinite(samples).all():
        raise InvalidAudio("The audio holds samples that are no numbers.", param="file")
    task = _string(tensors, "TASK")
    if task not in get_args(Task) or task not in manifest.tasks:
        raise InvalidRequest(
            f"The model '{manifest.name}' has no task {task[:40]!r}; use one of "
            f"{', '.join(manifest.tasks)}.",
            param="task",
        )
    prompt = _string(tensors, "PROMPT")
    temperature = _first(tensors, "TEMPERATURE", None)
    check_style(prompt, temperature)
    return TranscriptionRequest(
        samples,
        cast(Task, task),
        language_of(manifest, _string(tensors, "LANGUAGE")),
        prompt,
        None if temperature is None else float(temperature),
        bool(_first(tensors, "WORD_TIMESTAMPS", False)),
    )


def part_tensors(part: Started | Segment) -> Tensors:
    """A part of a transcript, as one line of JSON: `{"started": {...}}` or `{"segment": {...}}`."""
    kind = "started" if isinstance(part, Started) else "segment"
    # Whisper's numbers are in part NumPy's.
    return {"PART": _text(json.dumps({kind: asdict(part)}, default=lambda each: each.item()))}


def part_of(tensors: Tensors) -> Started | Segment:
    """The part of a transcript that tensors hold."""
    [(kind, fields)] = json.loads(_string(tensors, "PART")).items()
    if kind == "started":
        return Started(**fields)
    words = tuple(Word(**word) for word in fields.pop("words"))
    return Segment(**{**fields, "tokens": tuple(fields["tokens"]), "words": words})


def _text(text: str) -> NDArray[np.object_]:
    return np.array([text.encode()], dtype=np.object_)


def _string(tensors: Tensors, name: str) -> str:
    """The text in a tensor, empty where there is none. Raises `InvalidRequest`."""
    raw: bytes = _first(tensors, name, b"")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{name} must be text in UTF-8.", param=name.lower()) from None


def _first(tensors: Tensors, name: str, default: Any) -> Any:
    return tensors[name][0] if name in tensors else default
