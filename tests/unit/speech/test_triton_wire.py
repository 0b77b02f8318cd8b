import math
from typing import Any

import numpy as np
import pytest

from services.runtime.errors import InvalidAudio, InvalidRequest
from services.runtime.manifest import read_manifest
from services.speech.__main__ import SPEECH
from services.speech.engine import Segment, SpeechRequest, Started, TranscriptionRequest, Word
from services.speech.triton_wire import (
    LISTENING,
    SPEAKING,
    part_of,
    part_tensors,
    sound_of,
    sound_tensors,
    speech_of,
    speech_tensors,
    transcription_of,
    transcription_tensors,
)

PIPER = read_manifest(SPEECH.models / "piper-en-us-joe-medium" / "model.yaml")
BASE = read_manifest(SPEECH.models / "whisper-base" / "model.yaml")
SAMPLES = np.linspace(-1, 1, 9, dtype=np.float32)


def fields_of(request: TranscriptionRequest) -> tuple[Any, ...]:
    return (
        request.samples.tolist(), request.task, request.language, request.prompt,
        request.temperature, request.word_timestamps,
    )  # fmt: skip


@pytest.mark.parametrize(
    "request_",
    [
        TranscriptionRequest(SAMPLES),
        TranscriptionRequest(SAMPLES, "translation", "es", "¿Ñandú?\x00\n", 0.2, True),
    ],
)
def test_a_recording_arrives_as_it_was_sent(request_: TranscriptionRequest) -> None:
    tensors = transcription_tensors(request_)
    assert tensors.keys() <= {tensor.name for tensor in LISTENING.inputs}
    assert fields_of(transcription_of(tensors, BASE)) == fields_of(request_)


def test_a_text_arrives_as_it_was_sent() -> None:
    request = SpeechRequest("¿Qué? 🎶\x00\n", "joe", 0.3)
    tensors = speech_tensors(request)
    assert tensors.keys() == {tensor.name for tensor in SPEAKING.inputs}
    assert speech_of(tensors, PIPER) == request
    assert speech_of({"TEXT": tensors["TEXT"]}, PIPER).speed == 1.0
    assert sound_of(sound_tensors(SAMPLES)) is SAMPLES


@pytest.mark.parametrize(
    "part",
    [
        Started("en", 0.1 + 0.2, 1 / 3),
        Segment(0, 0.0, 1.0, ""),
        Segment(
            7, 1 / 3, 2 / 3, " ¿Qué?\n", 300, (1, 2), 0.2, -math.pi, 1.1, 1e-300,
            (Word(" ¿Qué?", 1 / 3, 0.5, 0.9), Word("", 0.5, 0.6, 0.0)),
        ),
    ],
)  # fmt: skip
def test_a_part_of_a_transcript_arrives_to_the_last_bit(part: Started | Segment) -> None:
    assert part_of(part_tensors(part)) == part


def test_numbers_of_numpy_arrive_as_numbers() -> None:
    part = Segment(0, np.float32(0.5), np.float64(1.5), "x", tokens=(np.int64(3),))  # type: ignore[arg-type]
    assert part_of(part_tensors(part)) == Segment(0, 0.5, 1.5, "x", tokens=(3,))


@pytest.mark.parametrize(
    ("change", "kind", "param"),
    [
        ({"AUDIO": SAMPLES[:0]}, InvalidAudio, "file"),
        ({"AUDIO": SAMPLES * np.float32(np.nan)}, InvalidAudio, "file"),
        ({"TASK": [b"speech"]}, InvalidRequest, "task"),
        ({"TASK": [b"\xff"]}, InvalidRequest, "task"),
        ({"LANGUAGE": [b"xx"]}, InvalidRequest, "language"),
        ({"PROMPT": [b"x" * 4097]}, InvalidRequest, "prompt"),
        ({"TEMPERATURE": [math.nan]}, InvalidRequest, "temperature"),
    ],
)
def test_a_recording_out_of_range_is_refused_by_name(
    change: dict[str, Any], kind: type[InvalidRequest], param: str
) -> None:
    tensors = {**transcription_tensors(TranscriptionRequest(SAMPLES)), **change}
    with pytest.raises(kind) as refused:
        transcription_of(tensors, BASE)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"TEXT": [b""]}, "input"),
        ({"TEXT": [b"\xff"]}, "text"),
        ({"VOICE": [b"nobody"]}, "voice"),
        ({"SPEED": [math.inf]}, "speed"),
    ],
)
def test_a_text_out_of_range_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    tensors = {**speech_tensors(SpeechRequest("Hello.", "joe")), **change}
    with pytest.raises(InvalidRequest) as refused:
        speech_of(tensors, PIPER)
    assert refused.value.param == param
